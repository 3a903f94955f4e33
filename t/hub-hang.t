#!/usr/bin/perl

# Redis hangs, its connections open, and goes on: servers go on alone after the
# time they give it, and nothing is lost or doubled.

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
    ->has_daemon('redis-server')->plan(9);

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

my $audit = Test::Conductor::Audit->new(\@servers, clients => 100);

ok($audit->come(), 'clients come to both');

for my $i (0 .. 1) {
    $audit->publisher($_, server => $i, count => 500, rate => 100)
        for qw/ http ws /;
}

$audit->more(100);

# shorter than servers wait

$redis->hang();
$audit->run_until(sub { 0 }, 0.2);
$redis->go_on();
$audit->more(100);

# and longer

$redis->hang();
ok($audit->run_until(sub { hub_is('degraded', 0, @servers) }, 5),
   'they know when Redis hangs') or diag($audit->summary());
ok($audit->more(300), 'and take events all the same')
    or diag($audit->summary());
$audit->cut(50);
$audit->more(100);
$redis->go_on();

ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 15),
   'they are connected again when it goes on') or diag($audit->summary());
ok($audit->settle(), 'all events come to all clients')
    or diag($audit->summary());
is_deeply($audit->verdict(faults => 1), {},
          'once each, and in the order of their publishers')
    or diag($audit->summary());

my ($slowest) = sort { $b <=> $a }
                     map { $_->{slowest} // 0 } @{$audit->{publishers}};

cmp_ok($slowest, '<', 5, 'no publisher waited for Redis to go on');

my ($first) = map { $_->{n} } @{$audit->{publishers}};
cmp_ok($first, '>', 500, 'and all are done');
