#!/usr/bin/perl

# Clients whose server ends come back to another one and get what they missed,
# once; and what that server had taken is with all, though it was killed.

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
my @servers = servers($t, 2, hub_conf(<<'EOF_HUB'));

    zone     32m;
    name     server-%%N%%;
    state    %%TESTDIR%%/state;
    history  events=20000 size=6m;
    drain    200ms;
    redis    redis://127.0.0.1:8379 timeout=20s;

    channel c { default on; }
    event e { channel c; publish_roles system; }

EOF_HUB

ok(hub_is('connected', 10, @servers), 'both servers are connected to Redis');

my $audit = Test::Conductor::Audit->new(\@servers, clients => 100, roams => 1);

ok($audit->come(), 'clients come to both');

$audit->publisher($_, server => 1, count => 600, rate => 100)
    for qw/ http ws /;
$audit->more(100);

# one ends in peace

$servers[0]->stop();
ok($audit->more(100), 'the other one goes on') or diag($audit->summary());
ok($audit->come(), 'and takes the clients of the one that has ended')
    or diag($audit->summary());

$servers[0]->run();
$audit->more(50);
$audit->cut(100);
$audit->more(100);

# and one is killed

my $master = $servers[0]->read_file('nginx.pid');
kill 'KILL', -$servers[0]{master};
wait_gone([ $master + 0 ]);
$audit->more(100);
unlink $servers[0]->testdir() . '/nginx.pid';
$servers[0]->run();
$audit->more(100);
$audit->cut(100);

ok($audit->settle(), 'all events come to all clients')
    or diag($audit->summary());
is_deeply($audit->verdict(), {},
          'once each, in one order, wherever they were')
    or diag($audit->summary());
cmp_ok($audit->{resumed}, '>=', 300, 'and all came back')
    or diag($audit->summary());
ok(hub_is('connected', 10, @servers), 'both are connected');
