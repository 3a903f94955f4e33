#!/usr/bin/perl

# Redis is not there when servers start: they begin alone, and are one hub when
# it comes.

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

my $redis = redis($t, start => 0);
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

ok(hub_is('degraded', 10, @servers), 'servers start without Redis');

my $audit = Test::Conductor::Audit->new(\@servers, clients => 50);

ok($audit->come(), 'clients come to both');

for my $i (0 .. 1) {
    $audit->publisher($_, server => $i, count => 300, rate => 100)
        for qw/ http ws /;
}

ok($audit->more(200), 'events are taken') or diag($audit->summary());
$redis->start();
ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 15),
   'both are connected when Redis comes') or diag($audit->summary());
ok($audit->more(200), 'more events are taken') or diag($audit->summary());
$audit->cut(40);
ok($audit->settle(), 'all events come to all clients')
    or diag($audit->summary());
is_deeply($audit->verdict(faults => 1), {},
          'once each, and in the order of their publishers')
    or diag($audit->summary());
is($audit->{resumed}, 40, 'also to those that came back')
    or diag($audit->summary());
