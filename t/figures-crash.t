#!/usr/bin/perl

# Figures over crashes and reloads: none is lost, counted twice or goes back.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use JSON::PP;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl
                                                   rewrite /))
    ->has_daemon('openssl')->plan(23);

# the master says so of who was killed while it changed the zone

$t->todo_alerts(killed());

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        history  events=10000 size=1m;
        drain    2s;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth off;

    server {
        listen 127.0.0.1:8080 reuseport;
        listen 127.0.0.1:8443 ssl reuseport;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location / {
            conductor h;
            conductor_limit_conn off;
            add_header X-Worker $pid always;
        }

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

certificate($t);

$t->run();
wait_for(sub { worker_pids($t) == workers() });

$t->run_daemon(\&watch, $t);

# a worker dies

my @how = (per_address => 5, ssl => sub { $_[0] % 4 == 0 });
my $many = many_clients($t, 60, @how);
is($many->open_count(), 60, 'sixty clients connect, some over TLS');

publish($t, { type => 'e', n => $_ }) for 1 .. 20;
ok($many->wait_each(20, 'e'), 'and get events');
is(figures($t)->{messagesSent}{e}, 60 * 20, 'of which each is counted');

my @worker = map { $_->header('X-Worker') } $many->clients();
my $victim = $worker[0];
my $lost = grep { $_ == $victim } @worker;

kill 'KILL', $victim;

ok($many->run_until(sub { $many->open_count() == 60 - $lost }),
    'a worker that is killed loses its clients');
ok(settles($t, sub { $_[0]{connections} == 60 - $lost }),
    'which are connections no more');
is_deeply(figures($t)->{disconnections}, { lost => $lost },
    'each is counted as lost, once');
is(figures($t)->{connectionsTotal}, 60, 'sixty have come');

wait_for(sub { worker_pids($t) == workers() });
publish($t, { type => 'e', n => 21 });
ok($many->run_until(sub { !grep { $many->messages($_, 'e') < 21 }
    grep { $worker[$_] != $victim } 0 .. 59 }), 'publishing goes on');
is(figures($t)->{messagesSent}{e}, 60 * 20 + 60 - $lost,
    'and so do the figures of the dead');

# a worker is told to stop at once

my @there = values %{$many->{by_fd}};
my ($stopped) = @there ? $worker[$there[0]] : worker_pids($t);
my $restart = grep { $worker[$_] == $stopped } @there;

kill 'TERM', $stopped;
ok($many->run_until(sub { $many->open_count() == @there - $restart }),
    'a worker is stopped');
wait_gone([ $stopped ]);
is((figures($t)->{disconnections}{restart} || 0), $restart,
    'its clients are sent on, and counted as that');

# killed again and again, while clients come and go

wait_for(sub { worker_pids($t) == workers() });
$t->run_daemon(\&storm, $t, $_) for 1 .. 2;

for (1 .. 15) {
    my $total = total($t);
    ok(0, 'the storm goes on'), last
        unless wait_for(sub { total($t) > $total + 5 });

    my @pids = worker_pids($t);
    my $pid = $pids[rand @pids];
    kill 'KILL', $pid;
    wait_for(sub { !grep { $_ == $pid } worker_pids($t) });
    wait_for(sub { worker_pids($t) == workers() });
}

$t->write_file('calm', '');
ok(wait_for(sub { 2 == grep { -e $t->testdir() . "/storm.$_" } 1 .. 2 }),
    'clients come and go while workers die');

ok($many->run_until(sub {
    (health($t))[1]{connections} == $many->open_count() }),
    'then only those are there who stayed');

my $health = (health($t))[1];
cmp_ok(figures($t)->{disconnections}{lost}, '>=', $lost, 'some were lost');
is($health->{connectionsTotal} - $health->{disconnections},
    $health->{connections}, 'each that came has gone once, or is there');

# a reload, with clients that drain

my $before = figures($t);
my $got = got($many);

my $crowd = many_clients($t, 40, @how);
publish($t, { type => 'e', n => 'before' });
$crowd->wait_each(1, 'e');

my @old = worker_pids($t);
$t->reload();
wait_for(sub { @old < worker_pids($t) });

my $fresh;
ok(wait_for(sub {
    publish($t, { type => 'e', n => 'while' });
    return $fresh = many_clients($t, 10, @how);
}), 'new clients come while old ones leave');

publish($t, { type => 'e', n => $_ }) for 1 .. 5;
ok($crowd->run_until(sub { !$crowd->open_count() }, 15), 'these are sent on');
$many->run_until(sub { !$many->open_count() }, 15);
ok(wait_gone(\@old), 'with their workers');

publish($t, { type => 'e', n => 'end' });
$fresh->run_until(sub { !grep { my @all = $fresh->messages($_, 'e');
                                !@all || $all[-1]{n} ne 'end' }
                        values %{$fresh->{by_fd}} });

my $now = figures($t);
is($now->{messagesSent}{e} - $before->{messagesSent}{e},
    got($many) - $got + got($crowd) + got($fresh),
    'what old and new workers sent is what the clients got');
is_deeply($now->{dropped}, $before->{dropped}, 'nothing of it was dropped');

$health = (health($t))[1];
is($health->{connectionsTotal} - $health->{disconnections},
    $health->{connections}, 'each that came has gone once, or is there');

# all the time

$t->write_file('enough', '');
wait_for(sub { -e $t->testdir() . '/watched' });
my $watched = decode_json($t->read_file('watched'));
cmp_ok($watched->{looks}, '>', 20, 'someone looked at it all the time');
is_deeply($watched->{back}, [], 'and no figure ever went back');


sub figures {
    my ($nginx) = @_;
    return (health($nginx, path => '/health?figures=1'))[1]{figures};
}


sub settles {
    my ($nginx, $condition) = @_;
    return wait_for(sub { $condition->((health($nginx))[1]) });
}


# Connections that came; 0 if a worker died with the answer.
sub total {
    my ($nginx) = @_;
    my (undef, $health) = health($nginx);
    return ref $health ? $health->{connectionsTotal} : 0;
}


# How many events clients got.
sub got {
    my ($clients) = @_;
    return scalar map { $clients->messages($_, 'e') }
                  0 .. $#{[ $clients->clients() ]};
}


# Comes and goes in every way until it is calm.
sub storm {
    my ($nginx, $i) = @_;
    my @here;

    until (-e $nginx->testdir() . '/calm') {
        push @here, ws_connect($nginx, '/', timeout => 1);

        my $ws = shift @here if @here > 5;
        next unless $ws && $ws->is_open();

        $ws->close(1000) if $i == 1;
        $ws->reset() if $i == 2;
    }

    $_->drop() for grep { $_->is_open() } @here;
    $nginx->write_file("storm.$i", '');
}


# Looks at all figures until it is enough, and writes down what went back.
sub watch {
    my ($nginx) = @_;
    my (%last, %back);
    my $looks = 0;

    until (-e $nginx->testdir() . '/enough') {
        my $figures = eval { figures($nginx) } or next;
        $looks++;

        for my $family (keys %$figures) {
            my $value = $figures->{$family};
            my %all = ref $value ? map { ("$family $_" => $value->{$_}) }
                                   keys %$value : ($family => $value);

            for my $name (keys %all) {
                $back{"$name: $last{$name} $all{$name}"} = 1
                    if $all{$name} < ($last{$name} // 0);
                $last{$name} = $all{$name};
            }
        }

        for my $name (keys %last) {
            my ($family, $label) = split / /, $name;
            my $value = $figures->{$family};
            $back{"$name: gone"} = 1
                unless defined ($label ? $value->{$label} : $value);
        }

        select undef, undef, undef, 0.01;
    }

    $nginx->write_file('watched.tmp',
        encode_json({ looks => $looks, back => [ keys %back ] }));
    rename $nginx->testdir() . '/watched.tmp', $nginx->testdir() . '/watched';
}


# A certificate of nobody.
sub certificate {
    my ($nginx) = @_;
    my $d = $nginx->testdir();

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
           . " -nodes -subj /CN=localhost -days 2 -keyout $d/key.pem"
           . " -out $d/cert.pem >/dev/null 2>&1") == 0
        or die "openssl failed\n";
}
