#!/usr/bin/perl

# Redis is killed and starts again, with what it had and empty: servers go on
# alone, and nothing is lost or doubled.

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

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
    ->has_daemon('redis-server')->plan(10);

my $redis = redis($t, keep => 1);
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

my @emptied;        # when Redis forgot everything, in ms

my $audit = Test::Conductor::Audit->new(\@servers, clients => 100);

ok($audit->come(), 'clients come to both');

for my $i (0 .. 1) {
    $audit->publisher($_, server => $i, count => 600, rate => 100)
        for qw/ http ws /;
}

$audit->more(200);

for my $how ('with what it had', 'empty') {
    $redis->kill();
    ok($audit->run_until(sub { hub_is('degraded', 0, @servers) }, 5),
       'servers know that Redis is gone') or diag($audit->summary());
    $audit->more(200);
    $audit->cut(30);

    if ($how eq 'empty') {
        push @emptied, time * 1000;
        $redis->empty();
    }

    $redis->start();
    ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 15),
       "they are connected again when it is there, $how")
        or diag($audit->summary());
    $audit->more(200);
    $audit->cut(30);
}

# and with nobody to notice that it was gone

$redis->kill();
push @emptied, time * 1000;
$redis->empty()->start();
$audit->more(100);

ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 15),
   'so they are if it is there again at once') or diag($audit->summary());
ok($audit->settle(), 'all events come to all clients')
    or diag($audit->summary());
is_deeply($audit->verdict(faults => 1, emptied => \@emptied), {},
          'once each, and in the order of their publishers')
    or diag($audit->summary());
cmp_ok($audit->{resumed}, '>=', 100, 'also to those that came back')
    or diag($audit->summary());
