#!/usr/bin/perl

# What a server has accepted while Redis was away outlives the server: it
# reaches the others when both are back, once.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
                           ->has_daemon('redis-server'))->plan(18);

$t->todo_alerts(qr{signal 9|the master process \d+ is gone});

my $redis = redis($t);

my ($a, $b) = servers($t, 2, <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 16m;
        name node-%%N%%;
        state %%TESTDIR%%/state snapshot=1h;
        history events=1000 size=256k;
        redis redis://127.0.0.1:8379 timeout=200ms;
        channel c { default on; }
        event e { channel c; require n; }
    }

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

ok(hub_is('connected', undef, $a, $b), 'two servers are joined by Redis');

my $there = ws_connect($b, '/');
$there->recv_until('welcome');

is((publish($a, { type => 'e', n => 1 }))[0], 200, 'an event is accepted');
is($there->recv_until('e')->{n}, 1, 'and comes to the other server');
is_deeply([ outbox() ], [], 'nothing is kept of it');

###############################################################################

# Redis goes, and then the server

$redis->kill();

is((publish($a, { type => 'e', n => $_ }))[0], 200,
    "event $_ is accepted without Redis") for 2, 3;
is((publish($a, [ map { { type => 'e', n => $_ } } 4 .. 6 ]))[0], 200,
    'and some at once');

ok(wait_for(sub { kept() >= 5 }), 'what Redis does not have is on disk');

crash($a);
is(scalar(outbox()), 1, 'and outlives a crash of everything');

$a->run();
is(scalar(outbox()), 1, 'the next server has it as its own');

is((publish($a, { type => 'e', n => 7 }))[0], 200, 'and goes on');
ok(wait_for(sub { kept() >= 6 }), 'with what is accepted then');

crash($a);
$a->run();

###############################################################################

$redis->start();

is_deeply([ map { $there->recv_until('e')->{n} } 2 .. 7 ], [ 2 .. 7 ],
    'when Redis is back, the others get all of it, in its order');
ok(wait_for(sub { !outbox() }), 'then nothing is kept any more');

ok(hub_is('connected', undef, $a, $b), 'and the servers are joined');
is((publish($a, { type => 'e', n => 8 }))[0], 200, 'an event after that');
is($there->recv_until('e')->{n}, 8, 'is the next one');
is_deeply([ $there->faults() ], [], 'the client finds no fault');

###############################################################################


# The files of the first server's outbox.
sub outbox {
    my $dir = $a->testdir() . '/state';
    return grep { !/\.new$/ } glob "$dir/outbox.*";
}


# How many events they have.
sub kept {
    my $n = 0;

    for my $file (outbox()) {
        open my $f, '<', $file or next;
        local $/;
        $n += () = <$f> =~ /"type":"e"/g;
    }

    return $n;
}


# Kills all processes of a server, and waits until they are gone.
sub crash {
    my ($s) = @_;
    my $master = ($s->read_file('nginx.pid') =~ /(\d+)/)[0];
    my @pids = ($master, worker_pids($s, all => 1), keeper_pid($s));

    kill 'KILL', @pids;
    waitpid $master, 0;
    wait_for(sub { !grep { kill 0, $_ } @pids });

    unlink $s->testdir() . '/nginx.pid';
}
