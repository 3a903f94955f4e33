#!/usr/bin/perl

# A server is away for longer than Redis keeps events: its clients are told of a
# gap, and nobody else.

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
    ->has_daemon('redis-server')->plan(7);

my $space = Test::Conductor::Net->new($t);
my @cables = map { $space->cable() } 1 .. 2;
my $redis = redis($t, net => $space, bind => '0.0.0.0');

my @servers = servers($t, 2, hub_conf(<<'EOF_HUB'));

    zone     32m;
    name     server-%%N%%;
    state    %%TESTDIR%%/state;
    history  events=20000 size=6m;
    drain    200ms;
    redis    redis://10.77.%%N%%.2:%%PORT_8379%% timeout=500ms stream=100;

    channel c { default on; }
    event e { channel c; publish_roles system; }

EOF_HUB

ok(hub_is('connected', 10, @servers), 'two servers are connected to Redis');

my ($here, $there) = map { ws_connect($_, '/?user=a', read_along => 1) }
                         @servers;

$_->recv_until('welcome') for $here, $there;

publish($servers[1], { type => 'e', at => 0 });
is($_->recv_until('e')->{at}, 0, 'both get an event') for $here, $there;

$cables[0]->pull();
ok(hub_is('degraded', 10, $servers[0]), 'one is cut off');

publish($servers[1], [ map { { type => 'e', at => $_ } }
                           100 * $_ + 1 .. 100 * $_ + 100 ]) for 0 .. 9;
is_deeply([ map { $there->recv_until('e')->{at} } 1 .. 1000 ], [ 1 .. 1000 ],
          'the other one goes on');

$cables[0]->plug();

my $told = $here->recv_until('resumed', 15);

is($told && "$told->{recovered} $told->{reason}", '0 gap',
   'clients of the one that was away are told of a gap');

publish($servers[0], { type => 'e', at => 1001 });
is($_->recv_until(sub { ($_->{at} // 0) == 1001 }) && 'yes', 'yes',
   'and get what comes') for $here;
