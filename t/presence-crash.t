#!/usr/bin/perl

# Presence when a worker is killed, also while it changes the zone, and over a
# reload: those who are listed are those who are connected.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Zone;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /));

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
        history  events=100 size=64k;
        presence memory leave=60s;
        drain    500ms;
        channel  presence:updates { default off; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor          h;
            conductor_identity user=$arg_user role=$arg_role;
            add_header         X-Worker $pid always;
        }

        location /health   { conductor_health h; }
        location /presence { conductor_presence h; }
    }
}

EOF_CONF

plan(skip_all => 'only root writes to the memory of a worker') if $> != 0;

$t->plan(12);

# the master says so of who was killed while it had the lock

$t->todo_alerts(killed());

$t->run();
wait_for(sub { worker_pids($t) == workers() });

# a worker that is killed

my ($gone, $stay) = two_workers($t);
my $victim = $gone->header('X-Worker');

is(listed($t), all($gone, $stay), 'all are listed who are connected');

kill 'KILL', $victim;

ok(wait_for(sub { listed($t) eq all($stay) }, 5),
    'when their worker was killed they are not, however long "leave" is');

# a reviewer with connections on several workers

wait_for(sub { worker_pids($t) == workers() });
$stay = client($t, 'eve') if !$stay;
my @many = map { client($t, 'many') } 1 .. 12;

say_of($many[0], { status => 'busy', currentFeature => 'search' });
is(told($t, 'many'), 'busy search 12', 'a reviewer has many connections');

$victim = $many[0]->header('X-Worker');
my @left = grep { $_->header('X-Worker') != $victim } @many, $stay;

kill 'KILL', $victim;

my $n = grep { $_ != $stay } @left;
ok(wait_for(sub { told($t, 'many') eq ($n ? "online - $n" : 'none') }, 5),
    'when the one that said something is gone, the newest of the others holds');

# the holder of the lock

wait_for(sub { worker_pids($t) == workers() });
$_->drop() for @left;
wait_for(sub { (health($t))[1]{connections} == 0 });

($gone, $stay) = two_workers($t);
say_of($stay, { status => 'away', currentFeature => 'login' }) if $stay;
$victim = $gone->header('X-Worker');
hold($victim);
kill 'KILL', $victim;

ok(wait_for(sub { (health($t))[1]{connections} == ($stay ? 1 : 0) }),
    'a worker is killed that changes the zone');
ok(wait_for(sub { my $l = listed($t); index("$l ", 'ann ') < 0 }, 5),
    'those it had are not listed');
is($stay ? told($t, $stay->{name}) : 'away login 1', 'away login 1',
    'the others are as they were');
my $came = client($t, 'carl');
is(told($t, 'carl'), 'online - 1', 'and who comes then is');

# a reload

say_of($came, { status => 'busy', currentFeature => 'plan' });
my ($since) = map { $_->{connectedAt} } reviewer($t, 'carl');

reload_workers($t);
$came->expect_close();
is(told($t, 'carl'), 'busy plan 0', 'who was sent on stays as it was');

$came = client($t, 'carl');
is(told($t, 'carl'), 'busy plan 1', 'and so it is when it is back');
is((reviewer($t, 'carl'))[0]{connectedAt}, $since, 'there since before');

is(scalar(() = $t->read_file('error.log') =~ /were damaged/g), 0,
    'nothing was damaged in all this');


# Two clients of different workers, where there are several.
sub two_workers {
    my ($nginx) = @_;
    my $one = client($nginx, 'ann');

    return ($one) if workers() == 1;

    my $i = 0;
    my $two;

    wait_for(sub {
        $two = client($nginx, 'bob' . $i++);
        return 1 if $two->header('X-Worker') != $one->header('X-Worker');
        $two->close(1000);
        return 0;
    });

    return ($one, $two);
}


sub client {
    my ($nginx, $user) = @_;
    my $client = ws_connect($nginx, "/?user=$user");

    $client->recv_until('welcome');
    $client->{name} = $user;
    return $client;
}


sub say_of {
    my ($client, $fields) = @_;

    $client->send_json({ type => 'presence-update', id => 1, %$fields });
    $client->recv_until('ack');
}


sub reviewer {
    my ($nginx, $user) = @_;
    my $list = (api($nginx, 'GET', '/presence'))[1]{reviewers};

    return grep { $_->{userId} eq $user } @$list;
}


# "status feature connections" of a user, or "none".
sub told {
    my ($nginx, $user) = @_;
    my ($v) = reviewer($nginx, $user);

    return 'none' if !$v;
    return join ' ', $v->{status}, $v->{currentFeature} // '-',
                     $v->{connections};
}


# Who is listed with a connection.
sub listed {
    my ($nginx) = @_;
    my $list = (api($nginx, 'GET', '/presence'))[1]{reviewers};

    return join ' ', sort map { $_->{userId} } grep { $_->{connections} }
                                                    @$list;
}


sub all {
    return join ' ', sort map { $_->{name} } grep { $_ } @_;
}


# Has a worker hold the lock, with the mark that it changes the zone.
sub hold {
    my ($pid) = @_;

    return wait_for(sub {
        kill 'STOP', $pid;

        my $zone = Test::Conductor::Zone->new($pid)
            or BAIL_OUT('the layout has changed');

        if (!$zone->set_locked($pid)) {
            kill 'CONT', $pid;
            return 0;
        }

        $zone->set_dirty();
        return 1;
    });
}
