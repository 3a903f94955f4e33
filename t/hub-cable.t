#!/usr/bin/perl

# The cable between a server and Redis is pulled and put back: that server goes
# on alone, and nothing is lost or doubled for anybody.

use warnings;
use strict;

use Test::More;

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
    ->has_daemon('redis-server')->plan(13);

my $space = Test::Conductor::Net->new($t);
my @cables = map { $space->cable() } 1 .. 3;
my $redis = redis($t, net => $space, bind => '0.0.0.0');

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

# one is cut off

$cables[0]->pull();

ok($audit->run_until(sub { hub_is('degraded', 0, $servers[0]) }, 5),
   'the one that is cut off knows it');
ok($audit->more(300), 'publishers go on') or diag($audit->summary());
ok(hub_is('connected', 0, @servers[1, 2]), 'the others are not concerned');

my $alone = ws_connect($servers[0], '/?user=a');
$alone->recv_until('welcome');
is((publish($servers[0], { type => 'e', mark => 1 }))[0], 200,
   'what is published there');
ok($alone->recv_until(sub { $_->{mark} }), 'comes to its own clients');

$audit->cut(40);
$audit->more(200);
$cables[0]->plug();

ok($audit->run_until(sub { hub_is('connected', 0, $servers[0]) }, 15),
   'it is back when the cable is') or diag($audit->summary());

# two are, while clients go from one to another

$audit->{clients}[$_]{roams} = 1 for 0 .. 179;
$_->pull() for @cables[1, 2];
$audit->more(200);
$audit->cut(60);
$audit->more(200);
$_->plug() for @cables[1, 2];

ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 15),
   'so are two that were cut off at once') or diag($audit->summary());

$audit->cut(60);
ok($audit->settle(), 'all events come to all clients')
    or diag($audit->summary());

is_deeply($audit->verdict(faults => 1), {},
          'once each, and in the order of their publishers')
    or diag($audit->summary());
cmp_ok($audit->{resumed}, '>=', 100, 'also to those that came back')
    or diag($audit->summary());
unlike($servers[0]->read_file('error.log'), qr/\[crit\]|\[emerg\]/,
       'nothing worse is logged');
