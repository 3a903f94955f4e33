#!/usr/bin/perl

# Keepers are killed while the slot of their hub moves to another node of a
# Cluster.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Audit;
use Test::Conductor::Redis;
use Test::Conductor::Redis::Many;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->has_daemon('redis-server')->plan(7);

my $cluster = redis_cluster($t, 2);

$t->todo_alerts(killed());

my @servers = servers($t, 2, hub_conf(<<'EOF_HUB'));

    zone     32m;
    name     server-%%N%%;
    state    %%TESTDIR%%/state;
    history  events=20000 size=6m;
    drain    200ms;
    redis    redis://127.0.0.1:8400,127.0.0.1:8401 cluster=on timeout=500ms;

    channel c { default on; }
    event e { channel c; publish_roles system; }

EOF_HUB

ok(hub_is('connected', 10, @servers), 'two servers find the node');

my $audit = Test::Conductor::Audit->new(\@servers, clients => 100);

ok($audit->come(), 'clients come to both');

for my $i (0 .. 1) {
    $audit->publisher($_, server => $i, count => 500, rate => 100)
        for qw/ http ws /;
}

$audit->more(200);

my $slot = $cluster->slot('{conductor:h}:log');
my $from = $cluster->owner($slot);
my ($to) = grep { $_ != $from } $cluster->nodes();

# at once, and then slowly

$cluster->move($slot, $to);
$audit->kill_keepers(@servers);
ok($audit->more(200), 'events come when the slot has moved')
    or diag($audit->summary());

$cluster->move_begin($slot, $from);
$audit->kill_keepers($servers[0]);
$audit->more(50);
$cluster->move_keys($slot, $from);
$audit->kill_keepers($servers[1]);
$audit->more(50);
$cluster->move_end($slot, $from);
$audit->kill_keepers($servers[0]);
ok($audit->more(200), 'and when it has moved back')
    or diag($audit->summary());

ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 20),
   'all are connected at last') or diag($audit->summary());
$audit->cut(50);
ok($audit->settle(), 'all events come to all clients')
    or diag($audit->summary());
is_deeply($audit->verdict(faults => 1), {},
          'once each, and in the order of their publishers')
    or diag($audit->summary());
