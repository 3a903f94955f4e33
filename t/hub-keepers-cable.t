#!/usr/bin/perl

# Keepers are killed while their servers are cut off from Redis, and while Redis
# is gone and comes back empty.

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Audit;
use Test::Conductor::Net;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

own_network();

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->has_daemon('redis-server')->plan(9);

my $space = Test::Conductor::Net->new($t);
my @cables = map { $space->cable() } 1 .. 3;
my $redis = redis($t, net => $space, bind => '0.0.0.0');

$t->todo_alerts(killed());

my @servers = servers($t, 3, hub_conf(<<'EOF_HUB'));

    zone     32m;
    name     server-%%N%%;
    state    %%TESTDIR%%/state;
    history  events=20000 size=6m;
    drain    200ms;
    redis    redis://10.77.%%N%%.2:%%PORT_8379%% timeout=500ms;

    channel c { default on; }
    event e { channel c; publish_roles system; }

EOF_HUB

ok(hub_is('connected', 10, @servers), 'three servers are connected to Redis');

my $audit = Test::Conductor::Audit->new(\@servers, clients => 60);

ok($audit->come(), 'clients come to all of them');

for my $i (0 .. 2) {
    $audit->publisher($_, server => $i, count => 400, rate => 80)
        for qw/ http ws /;
}

$audit->more(200);

# one is cut off, and its keeper killed before, while and after it knows

$cables[0]->pull();
$audit->kill_keepers($servers[0]);
ok($audit->run_until(sub { hub_is('degraded', 0, $servers[0]) }, 5),
   'one is cut off') or diag($audit->summary());
$audit->more(100);
$audit->kill_keepers(@servers[0, 1]);
$audit->cut(40);
$audit->more(100);
$cables[0]->plug();
$audit->kill_keepers($servers[0]);
$audit->more(100);
ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 20),
   'and is back') or diag($audit->summary());

# Redis is killed, and starts empty

my $emptied = time * 1000;

$redis->kill();
$audit->kill_keepers(@servers[1, 2]);
ok($audit->run_until(sub { hub_is('degraded', 0, @servers) }, 5),
   'Redis is gone') or diag($audit->summary());
$audit->more(200);
$audit->cut(40);
$audit->kill_keepers($servers[0]);
$redis->start();
$audit->kill_keepers($servers[1]);
$audit->more(100);

ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 20),
   'all are connected at last') or diag($audit->summary());
$audit->cut(50);
ok($audit->settle(), 'all events come to all clients')
    or diag($audit->summary());
is_deeply($audit->verdict(faults => 1, emptied => [$emptied]), {},
          'once each, and in the order of their publishers')
    or diag($audit->summary());
cmp_ok($audit->{resumed}, '>=', 50, 'also to those that came back')
    or diag($audit->summary());
