#!/usr/bin/perl

# Keepers are killed while events come, with Redis and without it: nothing is
# lost or doubled.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Audit;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->has_daemon('redis-server')->plan(8);

my $redis = redis($t);
my $conf = hub_conf(<<'EOF_HUB');

    zone     32m;
    name     server-%%N%%;
    state    %%TESTDIR%%/state;
    history  events=20000 size=6m;
    drain    200ms;
    redis    redis://127.0.0.1:8379 timeout=500ms;

    channel c { default on; }
    event e { channel c; publish_roles system; }

EOF_HUB

$t->todo_alerts(killed());

my @servers = servers($t, 2, $conf);

ok(hub_is('connected', 10, @servers), 'two servers are connected to Redis');

my $audit = Test::Conductor::Audit->new(\@servers, clients => 100);

ok($audit->come(), 'clients come to both');

for my $i (0 .. 1) {
    $audit->publisher($_, server => $i, count => 600, rate => 100)
        for qw/ http ws /;
}

$audit->more(100);

for my $round (1 .. 3) {
    $audit->kill_keepers(@servers);
    $audit->more(100);
}

ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 15),
   'the next keepers are connected') or diag($audit->summary());

$redis->hang();
ok($audit->run_until(sub { hub_is('degraded', 0, @servers) }, 5),
   'they know when Redis hangs') or diag($audit->summary());
$audit->more(100);

for my $round (1 .. 2) {
    $audit->kill_keepers(@servers);
    $audit->more(100);
    $audit->cut(20);
}

$redis->go_on();
$audit->kill_keepers($servers[0]);
$audit->more(100);
$audit->kill_keepers($servers[1]);

ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 15),
   'and are connected when it goes on') or diag($audit->summary());
ok($audit->settle(), 'all events come to all clients')
    or diag($audit->summary());
is_deeply($audit->verdict(faults => 1), {},
          'once each, and in the order of their publishers')
    or diag($audit->summary());
ok(wait_for(sub { keeper_pid($servers[0]) && keeper_pid($servers[1]) }),
   'both have a keeper');
