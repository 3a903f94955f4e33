#!/usr/bin/perl

# Servers that are joined by Redis: what one accepts reaches the clients of
# all, in one order, and on each with the same id.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
                           ->has_daemon('redis-server'))->plan(14);

my $redis = redis($t);

my ($a, $b) = servers($t, 2, <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 16m;
        name node-%%N%%;
        state %%TESTDIR%%/state;
        history events=1000 size=256k;
        redis redis://127.0.0.1:8379;
        channel c { default on; }
        event e { channel c; require n; redact secret; }
    }

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

ok(hub_is('connected', undef, $a, $b), 'two servers are joined by Redis');

my @ws = map { ws_connect($_, '/') } $a, $b;
$_->recv_until('welcome') for @ws;

my ($status, $body) = publish($a, { type => 'e', n => 1, secret => 'x' });

is($status, 200, 'an event is accepted by the first');

my $id = $body->{eventIds}[0];
my @got = map { $_->recv_until('e') } @ws;

is($got[0]{n}, 1, 'it reaches a client of the first');
is($got[1]{n}, 1, 'and one of the second');
is($got[0]{eventId}, $id, 'with the id that was answered');
is($got[1]{eventId}, $id, 'on both');
like($id, qr/^\d{13}-\d+$/, 'which is a place in the order of the hub');
is($got[1]{secret}, undef, 'and without what is hidden from everyone');
is($got[1]{timestamp}, $got[0]{timestamp}, 'and the same time');

# one after the other, here and there

publish($_ % 2 ? $a : $b, { type => 'e', n => $_ }) for 2 .. 21;

my @a = map { $ws[0]->recv_until('e') } 2 .. 21;
my @b = map { $ws[1]->recv_until('e') } 2 .. 21;

is_deeply([ map { $_->{n} } @a ], [ 2 .. 21 ],
          'what is published here and there comes in its order');
is_deeply([ map { $_->{eventId} } @a ], [ map { $_->{eventId} } @b ],
          'in one order, with the same ids');

my $late = ws_connect($b, "/?since=$id");
is_deeply([ map { $late->recv_until('e')->{n} } 2 .. 21 ], [ 2 .. 21 ],
          'a client that goes to another server gets what it has missed');

($status, $body) = publish($a, [ map { { type => 'e', n => $_ } } 1 .. 200 ]);
is(scalar @{$body->{eventIds}}, 200, 'many events are accepted at once');

is_deeply([ map { $ws[1]->recv_until('e')->{eventId} } 1 .. 200 ],
          $body->{eventIds}, 'and come there as they were accepted');
