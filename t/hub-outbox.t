#!/usr/bin/perl

# What a server has accepted while Redis is away outlives the server: it is with
# all clients when Redis is back, though the server was killed.

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
    redis    redis://10.77.%%N%%.2:%%PORT_8379%% timeout=500ms;

    channel c { default on; }
    event e { channel c; publish_roles system; }

EOF_HUB

ok(hub_is('connected', 10, @servers), 'two servers are connected to Redis');

my $other = ws_connect($servers[1], '/?user=b', read_along => 1);
$other->recv_until('welcome');

publish($servers[0], { type => 'e', at => 0 });
$other->recv_until('e');

$cables[0]->pull();
ok(hub_is('degraded', 10, $servers[0]), 'one is cut off');

is((grep { (publish($servers[0], { type => 'e', at => $_ }))[0] == 200 }
         1 .. 50), 50, 'and takes events');

my $files = $servers[0]->testdir() . '/state/outbox.*';

ok(wait_for(sub {
    50 <= grep { 1 } map { slurp($_) =~ /"type":"e"/g } glob $files;
}), 'they are on the disk');

kill 'KILL', -$servers[0]{master};
unlink $servers[0]->testdir() . '/nginx.pid';
wait_for(sub { !Test::Nginx::group_alive($servers[0]{master}) });
$servers[0]->run();

my $here = ws_connect($servers[0], '/?user=a', read_along => 1);
$here->recv_until('welcome');

is((publish($servers[0], { type => 'e', at => 51 }))[0], 200,
   'it is killed, and starts again without Redis');
$cables[0]->plug();
ok(hub_is('connected', 15, $servers[0]), 'until that is back');

publish($servers[1], { type => 'e', at => 'last' });

is_deeply([ until_last($other) ], [ 1 .. 51 ],
          'the clients of the other one have all of them, once');

my @here = until_last($here);
is($here[-1], 51, 'those that came here at last have the last one');

my $zero = ws_connect($servers[1], '/?user=c&since=0-0');
$zero->recv_until('welcome');
my $all = $zero->recv_until('resumed');
is(scalar(grep { ($_->{type} // '') eq 'e' } @{$zero->skipped()}), 53,
   'and who asks for everything gets everything');


# The events up to the last one.
sub until_last {
    my ($ws) = @_;
    my @got;

    while (my $m = $ws->recv_until('e')) {
        return @got if $m->{at} eq 'last';
        push @got, $m->{at};
    }

    return @got, 'no more';
}


sub slurp {
    open my $f, '<:raw', $_[0] or return '';
    local $/;
    return <$f> // '';
}
