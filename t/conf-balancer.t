#!/usr/bin/perl

# The examples of two servers behind a load balancer, with traffic: nothing is
# sticky, and clients whose server stops, drains or dies miss nothing.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Example;
use Test::Conductor::Redis;
use Test::Conductor::Roam;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy realip /))
    ->has_daemon('redis-server')->plan(23);

my $key = $ENV{JWT_SECRET} = 'a secret of at least thirty-two bytes';
my $system = jwt({ sub => 'tasks', role => 'system' }, key => $key);

# The examples as they are, but for where everything is: Redis on 8379, the
# balancer on 8080, the servers on 8081 and 8082, and there only for the
# machine itself 8181 and 8182.

my $redis = redis($t);
my @server = map { $t->another() } 1, 2;

for my $n (1, 2) {
    my $s = $server[$n - 1];

    example_conf($s, 'several-server.conf', 'node-1' => "node-$n",
                 '10.51.11.5:6379' => '127.0.0.1:8379',
                 '10.51.11.10' => '127.0.0.1',
                 'listen  5111;' => "listen 127.0.0.1:808$n;",
                 'listen  127.0.0.1:5112;' => "listen 127.0.0.1:818$n;",
                 'conductor_hub reviews {' =>
                     'conductor_hub reviews { drain 200ms;');
    $s->run();
    $s->{number} = 8080 + $n;
}

example_conf($t, 'several-balancer.conf',
             '10.51.11.11:5111' => '127.0.0.1:8081',
             '10.51.11.12:5111' => '127.0.0.1:8082',
             'listen  80;' => 'listen 127.0.0.1:8080;');
$t->run();

ok(wait_for(sub { joined($t) }),
   'the balancer leads to two servers that are one hub');

###############################################################################

# Clients of 30 addresses, each with a token of its own.

my $roam = roam($t, key => $key, clients => 30);
my ($architect) = map { $_->{token} } $roam->clients();

is($roam->connected(), 30, 'clients connect through it');
is($roam->servers(), 'node-1 node-2', 'to both of the servers');
is(ws_connect($t, '/')->status(), 401, 'but for those without a token');

# What one publishes through it, all get.

$roam->events(20);
ok($roam->complete(), 'events that are published through it come to all');
is((publish($t, task(0), token => $architect))[0], 403,
   'but for those whose role may not publish');

my @answers = map { (publish($_, task(0), token => $system, key => 'k'))[1] }
                  $t, @server, $t;

$roam->expect(0);
is_deeply([ map { $_->{eventIds}[0] } @answers ],
          [ ($answers[0]{eventIds}[0]) x 4 ],
          'one that is repeated with its key is not done again at any server');

# Limits see the clients' own addresses: 10 of each, not 10 of the balancer.

my @more = map { ws_connect($t, '/', source => '127.0.3.1',
                            token => $architect) } 1 .. 30;
my %by = (101 => 0, 429 => 0);

$by{$_->status()}++ for @more;
cmp_ok($by{101}, '<=', 20, 'an address has its limit, on each server');
cmp_ok($by{429}, '>=', 10, 'and is refused beyond it');
$_->vanish() for @more;

# One server is stopped.

kill 'QUIT', $server[0]->read_file('nginx.pid');
$roam->events(20);
$server[0]->stop();
$roam->events(20);

ok($roam->complete(),
   'when one server stops its clients come back and miss nothing');
is($roam->servers(), 'node-2', 'on the other one');
is((health($t))[0], 200, 'and what asks the balancer is answered');

# It comes back, and the other one drains.

$server[0]->run();
ok(wait_for(sub { joined($t) }), 'the server is started again');
ok(wait_for(sub { at($t, 1) }, 15), 'the balancer finds it by itself');
is((api($t, 'POST', '/admin/drain', port => 8182))[0], 200,
   'an administrator drains the other one, from that machine');
$roam->events(20);
ok(wait_for(sub { (health($server[1]))[1]{connections} == 0 }),
   'it sends all of its clients on');
$roam->events(5);
ok($roam->complete(),
   'they come back, though it still listens, and miss nothing');
is($roam->servers(), 'node-1', 'on the first one');
is((api($t, 'POST', '/admin/drain', token => $system))[0], 426,
   'nobody can do that through the balancer');

# One is killed.

is((api($t, 'DELETE', '/admin/drain', port => 8182))[0], 200,
   'the drain is taken back');
kill 'KILL', -$server[0]{master};
$roam->events(20);
ok($roam->complete(), 'when a server is killed its clients miss nothing');

# One order for all, which is that of the publisher.

is($roam->disordered(), 0, 'every client got each event once, in one order');
is(scalar($roam->faults()), 0, 'and nothing else was wrong');

###############################################################################

# Whether the balancer sends someone to this server.
sub at {
    my ($t, $n) = @_;
    my $c = $roam->come({ token => $architect, source => '127.0.4.1' });

    return $c->{server} eq "node-$n";
}
