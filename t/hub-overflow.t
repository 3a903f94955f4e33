#!/usr/bin/perl

# A server takes more than its outbox holds while Redis is away: that is logged
# and told, and the newest is kept.

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
    ->has_daemon('redis-server')->plan(9);

my $space = Test::Conductor::Net->new($t);
my @cables = map { $space->cable() } 1 .. 2;
my $redis = redis($t, net => $space, bind => '0.0.0.0');

my @servers = servers($t, 2, hub_conf(<<'EOF_HUB'));

    zone     32m;
    name     server-%%N%%;
    state    %%TESTDIR%%/state;
    history  events=20000 size=6m;
    drain    200ms;
    redis    redis://10.77.%%N%%.2:%%PORT_8379%% timeout=500ms outbox=64k;

    channel c { default on; }
    event e { channel c; publish_roles system; }

EOF_HUB

ok(hub_is('connected', 10, @servers), 'two servers are connected to Redis');

my ($here, $there) = map { ws_connect($_, '/?user=a', read_along => 1) }
                         @servers;

$_->recv_until('welcome') for $here, $there;

$cables[0]->pull();
ok(hub_is('degraded', 10, $servers[0]), 'one is cut off');

my $text = 'x' x 1000;

is((grep { (publish($servers[0], { type => 'e', at => $_,
                                   text => $text }))[0] == 200 }
         1 .. 300), 300, 'and takes more than it can keep for the others');

is_deeply([ map { $here->recv_until('e')->{at} } 1 .. 300 ], [ 1 .. 300 ],
          'its own clients get all of it');

$cables[0]->plug();
ok(hub_is('connected', 15, $servers[0]), 'it is connected again');
publish($servers[0], { type => 'e', at => 301 });

my (@got, $told);

while (my $m = $there->recv_json()) {
    $told = $m if $m->{type} eq 'resumed';
    push @got, $m->{at} if $m->{type} eq 'e';
    last if @got && $got[-1] == 301;
}

is($told && "$told->{recovered} $told->{reason}", '0 gap',
   'clients of the other one are told of a gap');

# what was on its way when the cable was pulled may have arrived

my @tail = pop @got;
unshift @tail, pop @got while @got && $got[-1] == $tail[0] - 1;

cmp_ok($tail[0], '>', 100, 'they do not get what was dropped');
is_deeply([ @got, @tail ], [ 1 .. @got, $tail[0] .. 301 ],
          'but all before that, and from then on');

my @log = $servers[0]->read_file('error.log') =~ /^.*outbox.*full.*$/mg;
is(scalar @log, 1, 'that is in the log, once');
