#!/usr/bin/perl

# Servers with one Redis: every client of each gets every event once, all in one
# order, whoever published it, where and how.

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
    ->has_daemon('redis-server')->plan(9);

my $redis = redis($t);
my @servers = servers($t, 3, hub_conf(<<'EOF_HUB'));

    zone     32m;
    name     server-%%N%%;
    state    %%TESTDIR%%/state;
    history  events=20000 size=6m;
    drain    200ms;
    redis    redis://127.0.0.1:8379 timeout=20s;

    channel c { default on; }
    event e { channel c; publish_roles system; }

EOF_HUB

ok(hub_is('connected', 10, @servers), 'all servers are connected to Redis');

my $audit = Test::Conductor::Audit->new(\@servers, clients => 100);

ok($audit->come(), 'clients come to all of them');

for my $i (0 .. 2) {
    $audit->publisher($_, server => $i, count => 150) for qw/ http ws /;
}

$audit->publisher('redis', redis => $redis, count => 150) for 1 .. 2;

$audit->more(200);
$audit->cut(50);

ok($audit->settle(), 'all events come to all of them')
    or diag($audit->summary());
is_deeply($audit->verdict(), {},
          'once each, in one order, and by one id') or diag($audit->summary());
is($audit->{resumed}, 50, 'also to who came back') or diag($audit->summary());

# the others, as a program sees them

my $sees = $redis->client()->subscribe('c');

publish($servers[1], { type => 'e', at => '0.1', more => 1 });

my ($text, $channel) = $sees->message();

like($text, qr/^\{"type":"e","at":"0\.1","more":1,"timestamp":\d+,/,
     'what is published here is published in Redis');
like($text, qr/,"eventId":"\d+-\d+"\}$/, 'with its id');

my @places = map { ws_connect($_, '/?user=late')->recv_until('welcome') }
                 @servers;

is($_->{lastEventId}, $places[0]{lastEventId}, 'all are at the same place')
    for @places[1, 2];
