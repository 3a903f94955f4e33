#!/usr/bin/perl

# The slot of a hub moves to another node of a Cluster while events come.

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
    ->has_daemon('redis-server')->plan(8);

my $cluster = redis_cluster($t, 2);
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
    $audit->publisher($_, server => $i, count => 400, rate => 100)
        for qw/ http ws /;
}

$audit->more(200);

my $slot = $cluster->slot('{conductor:h}:log');
my $from = $cluster->owner($slot);
my ($to) = grep { $_ != $from } $cluster->nodes();

# at once, and then slowly

$cluster->move($slot, $to);
ok($audit->more(300), 'events come when the slot has moved')
    or diag($audit->summary());

$cluster->move_begin($slot, $from);
$audit->more(50);
$cluster->move_keys($slot, $from);
$audit->more(50);
$cluster->move_end($slot, $from);

ok($audit->more(200), 'and when it has moved back')
    or diag($audit->summary());
ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 15),
   'the servers are connected') or diag($audit->summary());
ok($audit->settle(), 'all events come to all clients')
    or diag($audit->summary());
is_deeply($audit->verdict(faults => 1), {},
          'once each, and in the order of their publishers')
    or diag($audit->summary());
cmp_ok($from->do('EXISTS', '{conductor:h}:log'), '>', 0,
       'the log is where its slot is');
