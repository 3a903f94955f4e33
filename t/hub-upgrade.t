#!/usr/bin/perl

# A server is upgraded (USR2) while events come: with Redis its clients go over
# to the new binary, and nothing is lost or doubled.

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
my @servers = servers($t, 2, hub_conf(<<'EOF_HUB', daemon => 'on'));

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
    $audit->publisher($_, server => $i, count => 400, rate => 100)
        for qw/ http ws /;
}

$audit->more(100);

my $old = $servers[0]->read_file('nginx.pid') + 0;

kill 'USR2', $old;
ok($audit->run_until(sub {
    -s $servers[0]->testdir() . '/nginx.pid.oldbin'
    && (eval { $servers[0]->read_file('nginx.pid') } || $old) != $old;
}, 15), 'a new binary starts');

$audit->more(100);
$audit->cut(50);
$audit->more(100);

kill 'QUIT', $old;
ok($audit->run_until(sub { !Test::Conductor::alive($old) }, 20),
   'the old one ends');
$audit->more(100);

ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 15),
   'both servers are connected') or diag($audit->summary());
ok($audit->settle(), 'all events come to all clients')
    or diag($audit->summary());
is_deeply($audit->verdict(faults => 1), {},
          'once each, and in the order of their publishers')
    or diag($audit->summary());
cmp_ok($audit->{resumed}, '>=', 100, 'also to those that came back')
    or diag($audit->summary());
