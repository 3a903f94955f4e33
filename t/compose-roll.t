#!/usr/bin/perl

# One server after the other goes, of the two that a compose file starts behind
# a load balancer: stopped as an engine stops it, and killed.  Nobody misses
# anything.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Compose;
use Test::Conductor::Net;
use Test::Conductor::Roam;

select STDERR; $| = 1;
select STDOUT; $| = 1;

own_network();

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy realip /))
    ->has_daemon('redis-server')->plan(11);

my $key = 'a secret of at least thirty-two bytes';
my $c = compose($t, [ 'conf-examples/compose-several.yaml' ],
                JWT_SECRET => $key)->up();
my @server = map { $c->service("app-server-$_") } 1, 2;

wait_for(sub { !grep { !joined($t, port => $_) } 5111, 5112 })
    or die "no hub\n";

my $roam = roam($t, key => $key, clients => 20, to => port(80),
                net => '192.0.2',
                at => [ peer => '192.0.2.1', port => 80 ]);

like($roam->servers(), qr/^app-server-1-\w+ app-server-2-\w+$/,
    'clients are at both of the servers');

# One is stopped, as "docker compose stop" does, and made anew.

my $ends = $server[0]->stopping();

$roam->events(20);
is($ends->(), 0, 'one server is stopped and ends in its time');
$roam->events(5);
ok($roam->complete(), 'its clients come back and miss nothing');
like($roam->servers(), qr/^app-server-2-\w+$/, 'on the other one');

ok($server[0]->start(), 'it is started again') or diag($server[0]->err());
ok(wait_for(sub { joined($t, port => 5111) }), 'and is one of the hub');
ok(wait_for(sub { server_of($t, port => 80) =~ /^app-server-1-/ }, 15),
   'the balancer finds it');

# The other one is killed.

$server[1]->kill();
$roam->events(10);
ok($roam->complete(), 'when the other one is killed nothing is missed');
like($roam->servers(), qr/^app-server-1-\w+$/, 'on the first one');
note('result: one server stopped, one killed: ', $roam->summary());
is($roam->disordered(), 0, 'every client got each event once, in one order');
is(scalar($roam->faults()), 0, 'and nothing else was wrong');
