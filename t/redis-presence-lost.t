#!/usr/bin/perl

# Who is there stays so while nobody can say more, marked as stale; and is gone
# when Redis can say that the server is.

use warnings;
use strict;

use JSON::PP qw/ decode_json /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /)
    ->has_daemon('redis-server'))->plan(14);

$t->todo_alerts(killed());

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
        zone      16m;
        name      node-%%N%%;
        state     %%TESTDIR%%/state;
        history   events=1000 size=256k;
        presence  memory ttl=1m leave=500ms tick=10ms;
        redis     redis://127.0.0.1:8379 timeout=500ms;
    }

    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor           h;
            conductor_identity  user=$arg_user;
        }

        location /presence { conductor_presence h; }
        location /health   { conductor_health h; }
    }
}

EOF_CONF

ok(hub_is('connected', undef, $a, $b), 'two servers are joined by Redis');

my $ann = ws_connect($a, '/?user=ann');
my $bob = ws_connect($b, '/?user=bob');

ok(wait_for(sub { there($_) eq 'ann bob' }), "$_->{number}: both are there")
    for $a, $b;

# its keeper dies: another one goes on

my $keeper = keeper_pid($b);
kill 'KILL', $keeper;
ok(wait_for(sub { (keeper_pid($b) // $keeper) != $keeper }),
    'a keeper is killed');

my $carl = ws_connect($b, '/?user=carl');
ok(wait_for(sub { there($a) eq 'ann bob carl' }), 'another one goes on');

# Redis is gone, and is there again, but empty

$redis->kill();
ok(wait_for(sub { there($_) =~ /^ann!? bob!? carl!?$/ && there($_) =~ /!/ }),
    "$_->{number}: without Redis others stay as last known") for $a, $b;
is(there($a), 'ann bob! carl!', 'which is said of those only');

$carl->close(1000);
ok(wait_for(sub { there($b) eq 'ann! bob' }), 'what is its own each knows');

$redis->start();
ok(wait_for(sub { there($_) eq 'ann bob' }, 20),
    "$_->{number}: a Redis that is empty is told all again") for $a, $b;

# a server that says nothing any more is gone, and comes back

$keeper = keeper_pid($b);
kill 'STOP', $keeper;
ok(wait_for(sub { there($a) eq 'ann' }, 20), 'a server is silent for long');
kill 'CONT', $keeper;
ok(wait_for(sub { there($a) eq 'ann bob' }, 20), 'and is there again');

is(join(' ', left($ann)), 'carl bob',
    'who did not leave was never said to have left');

$_->close(1000) for $ann, $bob;


# Who is there, "!" with those who are stale.
sub there {
    my ($s) = @_;
    return join ' ', sort map { $_->{userId} . ($_->{stale} ? '!' : '') }
                     @{(api($s, 'GET', '/presence'))[1]{reviewers} // []};
}


# Who has left, as a client was told.
sub left {
    my ($ws) = @_;

    return map { $_->{userId} }
           grep { $_->{type} eq 'presence-update'
                  && $_->{status} eq 'offline' }
           map { decode_json($_) } @{$ws->sync()};
}
