#!/usr/bin/perl

# Servers reload while events come, with Redis and without it: nothing is lost
# or doubled.

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
    ->has_daemon('redis-server')->plan(7);

my $redis = redis($t);
my @servers = servers($t, 2, hub_conf(<<'EOF_HUB'));

    zone     32m;
    name     server-%%N%%;
    state    %%TESTDIR%%/state;
    history  events=20000 size=6m;
    drain    200ms;
    redis    redis://127.0.0.1:8379 timeout=500ms;

    channel c { default on; }
    event e { channel c; publish_roles system; }

EOF_HUB

ok(hub_is('connected', 10, @servers), 'two servers are connected to Redis');

my $audit = Test::Conductor::Audit->new(\@servers, clients => 100, roams => 1);

ok($audit->come(), 'clients come to both');

for my $i (0 .. 1) {
    $audit->publisher($_, server => $i, count => 500, rate => 100)
        for qw/ http ws /;
}

$audit->more(100);

for my $round (1 .. 2) {
    for my $server (@servers) {
        my ($old) = worker_pids($server);

        $server->reload();
        $audit->run_until(sub {
            !grep { $_ == $old } worker_pids($server, all => 1);
        }, 10);
    }

    $audit->more(100);
}

ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 15),
   'the next keepers are connected') or diag($audit->summary());

$redis->hang();
$audit->run_until(sub { hub_is('degraded', 0, @servers) }, 5);
$audit->more(50);
$_->reload() for @servers;
ok($audit->more(200), 'events are taken by those that begin without Redis')
    or diag($audit->summary());
$redis->go_on();

ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 15),
   'which are connected when it goes on') or diag($audit->summary());
ok($audit->settle(), 'all events come to all clients')
    or diag($audit->summary());
is_deeply($audit->verdict(faults => 1), {},
          'once each, and in the order of their publishers')
    or diag($audit->summary());
