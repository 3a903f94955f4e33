#!/usr/bin/perl

# What limits have counted outlives a reload, and is given back when a process
# is killed.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(25);

# the master says so of who was killed while it changed the zone

$t->todo_alerts(qr{the\ master\ process\ \d+\ is\ gone|exited\ on\ signal\ 9
                   |"conductor_h"\ was\ locked\ by}x);

my $conf = <<'EOF_CONF';

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    4m;
        history events=100 size=64k;
        drain   60s;
        channel c { default on; }
        event   e { channel c; }
    }

    conductor_identity         user=$arg_user;
    conductor_limit_conn       4;
    conductor_limit_user       3;

    server {
        listen 127.0.0.1:8080 reuseport;

        location / { conductor h; add_header X-Worker $pid always; }

        location /window {
            conductor                  h;
            conductor_limit_conn       off;
            conductor_limit_user       off;
            conductor_limit_handshakes 2 per=1h;
        }

        location /health { conductor_health h; }
    }
}

EOF_CONF

$t->write_file_expand('nginx.conf', conductor_conf($conf));
$t->run();
wait_for(sub { worker_pids($t) == workers() });

# a reload

my @ann = map { as('ann') } 1 .. 4;
my @window = map { window('127.0.0.2') } 1 .. 3;
is(statuses(@ann), '101 101 101 429', 'a user has three connections');
is(statuses(@window), '101 101 429', 'and an address two handshakes');

my @old = worker_pids($t);
$t->reload();
ok(wait_for(sub { my %p = map { $_ => 1 } worker_pids($t);
                  keys %p && !grep { $p{$_} } @old }), 'reloaded');

is(statuses(as('ann'), as('bob', '127.0.1.1')), '429 101',
    'clients of old workers are counted by the new');
is(statuses(as('bob', '127.0.1.2'), window('127.0.0.2'),
            window('127.0.0.3')), '101 429 101', 'and so are windows');

$ann[0]->close(1000);
ok(wait_for(sub { ($ann[0] = as('ann'))->is_open() }),
    'what an old worker gives back a new one can have');
is(statuses(as('ann')), 429, 'and no more');

my $fewer = $conf;
$fewer =~ s/limit_user       3/limit_user       1/;
$fewer =~ s/handshakes 2/handshakes 3/;
$t->write_file_expand('nginx.conf', conductor_conf($fewer));
@old = worker_pids($t);
$t->reload();
wait_for(sub { my %p = map { $_ => 1 } worker_pids($t);
               keys %p && !grep { $p{$_} } @old });

is(statuses(as('ann'), as('cat', '127.0.1.3'), window('127.0.0.2'),
            window('127.0.0.2')), '429 101 101 429',
    'another limit is compared with what is counted');

$_->drop() for @ann, @window;

$t->write_file_expand('nginx.conf', conductor_conf($conf));
ok(reload_workers($t), 'old workers end with their clients');
ok(wait_for(sub { (health($t))[1]{connections} == 0 }), 'nobody is left');
is(statuses(@ann = map { as('ann') } 1 .. 4), '101 101 101 429',
    'and all is given back');
$_->drop() for @ann;

# a worker is killed

wait_for(sub { worker_pids($t) == workers() });
wait_for(sub { (health($t))[1]{connections} == 0 });

my $many = many_clients($t, 30,
    path => sub { '/?user=u' . int($_[0] / 3) },
    source => sub { '127.0.2.' . int($_[0] / 3) });
is($many->open_count(), 30, 'ten users connect three times each');

my @worker = map { $_->header('X-Worker') } $many->clients();
my $victim = $worker[0];
my @lost = grep { $worker[$_] == $victim } 0 .. 29;

kill 'KILL', $victim;
ok($many->run_until(sub { $many->open_count() == 30 - @lost }),
    'who was on a worker that is killed is lost');
ok(wait_for(sub { (health($t))[1]{connections} == 30 - @lost }),
    'and counted no more');

my @again = map { as('u' . int($_ / 3), '127.0.2.' . int($_ / 3)) } @lost;
is(scalar(grep { $_->is_open() } @again), @lost, 'their places are back');
is(statuses(map { as("u$_", "127.0.3.$_") } 0 .. 9),
    join(' ', (429) x 10), 'and no more than those');
is(statuses(window('127.0.0.2')), 429, 'a window goes on');

$_->drop() for @again, $many->clients();

# old workers are killed, whose places nobody takes

my $right = '101 101 101 429';

for my $n (1 .. 4) {
    my @ws = map { as("w$n", '127.0.6.1') } 1 .. 3;

    @old = worker_pids($t);
    $t->reload();
    wait_for(sub { my %p = map { $_ => 1 } worker_pids($t);
                   keys %p == workers() && !grep { $p{$_} } @old });

    kill 'KILL', @old;
    wait_gone(\@old);
    is(statuses(map { as("w$n", '127.0.6.1') } 1 .. 4), $right,
        'what they had others can have right then');
    $_->drop() for @ws;
}

# workers are killed in the middle of it

for (1 .. 6) {
    my @ws = map { ws_connect($t, '/?user=v' . $_ % 7, wait => 0,
                              source => '127.0.4.' . $_ % 11) } 1 .. 60;
    $_->drop() for @ws[0 .. 19];
    kill 'KILL', (worker_pids($t))[0];
    $_->drop() for @ws;
    wait_for(sub { worker_pids($t) == workers() });
}

ok(wait_for(sub { (health($t))[1]{connections} == 0 }),
    'killed again and again while clients come and go, all are gone');
is(join(' ', map { my $u = $_; my @ws = map { as("v$u", "127.0.5.$_") } 1 .. 4;
                   my $got = statuses(@ws); $_->drop() for @ws;
                   $got eq '101 101 101 429' ? 'exact' : $got } 0 .. 6),
    join(' ', ('exact') x 7), 'and nothing of a user is lost or left');

# the master is killed

wait_for(sub { (health($t))[1]{connections} == 0 });
@ann = map { as('ann') } 1 .. 3;
my @workers = worker_pids($t);
my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;

kill 'KILL', $master;
$_->drop() for @ann;
ok(wait_gone([ $master, @workers ]), 'all processes are gone');

unlink $t->testdir() . '/nginx.pid';
eval { $t->run(); };
is(statuses((map { as('ann') } 1 .. 4), map { window('127.0.0.2') } 1 .. 3),
    '101 101 101 429 101 101 429', 'a new start counts from the beginning')
    or diag($@);


# A client of a user, from an address.
sub as {
    my ($user, $source) = @_;
    return ws_connect(port(8080), "/?user=$user",
                      source => $source // '127.0.0.1');
}


sub window {
    my ($source) = @_;
    return ws_connect(port(8080), '/window?user=w', source => $source);
}


sub statuses {
    return join ' ', map { $_->status() // 0 } @_;
}
