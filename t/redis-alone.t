#!/usr/bin/perl

# Servers of a hub whose Redis is not there, has no room, holds what is none
# of theirs, or has dropped what one of them did not read.

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
                           ->has_daemon('redis-server'))->plan(21);

my $redis = redis($t, start => 0);

my ($a, $b) = servers($t, 2, <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 32m;
        name node-%%N%%;
        state %%TESTDIR%%/state;
        history events=4000 size=1m;
        redis redis://127.0.0.1:8379 stream=100;
        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

my ($status, $body) = publish($a, { type => 'e', n => 1 });

is($status, 200, 'without Redis an event is accepted');
like($body->{eventIds}[0], qr/^\d+-\d+~\d+\.\d+$/,
     'with an id that says who ordered it alone');
ok(hub_is('degraded', undef, $a, $b), 'and the hub is degraded');

my @ws = map { ws_connect($_, '/') } $a, $b;
$_->recv_until('welcome') for @ws;

publish($a, { type => 'e', n => 2 });
is($ws[0]->recv_until('e')->{n}, 2, 'clients of that server get what it has');

$redis->start();

is($ws[1]->recv_until('e')->{n}, 1, 'when Redis is there, those of the other '
   . 'one get what they missed');
is($ws[1]->recv_until('e')->{n}, 2, 'in its order');
ok(hub_is('connected', undef, $a, $b), 'and the hub is joined');

($status, $body) = publish($a, { type => 'e', n => 3 });

like($body->{eventIds}[0], qr/^\d+-\d+$/, 'Redis orders again');
is_deeply([ map { $_->recv_until('e')->{n} } @ws ], [ 3, 3 ],
          'and nothing came twice');

# one key, two servers

my @once = map {
    [ publish($_, { type => 'e', n => 4 }, key => 'k') ];
} $a, $b, $a;

is_deeply([ map { $_->[0] } @once ], [ 200, 200, 200 ],
          'a publication that is repeated elsewhere is accepted');
is_deeply([ map { $_->[1]{eventIds} } @once ],
          [ ($once[0][1]{eventIds}) x 3 ], 'as the first was');

# what is none of ours

$redis->do('XADD', '{conductor:h}:log', '*', 'a', 'b');
$redis->do('XADD', '{conductor:h}:log', '*', 'o', '7.1', 't', '1', 'e', '{');
publish($b, { type => 'e', n => 5 });

is_deeply([ map { $ws[0]->recv_until('e')->{n} } 4, 5 ], [ 4, 5 ],
          'it is done once, and entries that are wrong do no harm');
is_deeply([ map { $ws[1]->recv_until('e')->{n} } 4, 5 ], [ 4, 5 ],
          'anywhere');
is(() = $a->read_file('error.log') =~ /is skipped, it/g, 1,
   'they are logged once');

# no memory

$redis->do('CONFIG', 'SET', 'maxmemory', '1');
($status, $body) = publish($a, { type => 'e', n => 6 });

is($status, 200, 'while Redis has no memory an event is accepted');
is($ws[0]->recv_until('e')->{n}, 6, 'and delivered by its server');
ok(hub_is('degraded', undef, $a), 'which is alone');

$redis->do('CONFIG', 'SET', 'maxmemory', '0');
is($ws[1]->recv_until('e')->{n}, 6, 'the other one gets it when there is');
ok(hub_is('connected', undef, $a, $b), 'and they are joined again');

# a keeper that sleeps too long

my $keeper = keeper_pid($b);

kill STOP => $keeper;
publish($a, [ map { { type => 'e', n => $_ } } 1 .. 500 ]) for 1 .. 2;
kill CONT => $keeper;

my $told = $ws[1]->recv_until('resumed');
is_deeply([ map { $told->{$_} } qw/ recovered reason / ],
          [ JSON::PP::false(), 'gap' ],
          'clients are told of what was dropped before it was read');
is($ws[1]->recv_until('e', 5)->{n} > 0, 1, 'and get what is left');
