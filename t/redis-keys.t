#!/usr/bin/perl

# What was done under a key at one server is known at all, and to who went
# away before the answer.

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
                           ->has_daemon('redis-server'))->plan(24);

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
        redis redis://127.0.0.1:8379 timeout=1s;
        channel c { default on; }
        event e { channel c; require n; publish_roles writer; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_identity user=$arg_user role=$arg_role;

        location /        { conductor h; }
        location /publish { conductor_publish h; conductor_auth off; }
        location /health  { conductor_health h; conductor_auth off; }
    }
}

EOF_CONF

ok(hub_is('connected', undef, $a, $b), 'two servers are joined by Redis');

my $ws = ws_connect($b, '/?user=reader');
$ws->recv_until('welcome');

###############################################################################

my @first = publish($a, '{"type":"e","n":1}', key => 'one');

is($first[0], 200, 'an event is published with a key');
is_deeply([ (publish($_, '{"type":"e","n":1}', key => 'one'))[0, 1] ],
    [ @first[0, 1] ], 'a repeat is answered the same') for $a, $b;
is((publish($_, '{"type":"e","n":9}', key => 'one'))[0], 422,
    'another body is refused') for $a, $b;

@first = publish($b, [ map { { type => 'e', n => $_ } } 2 .. 4 ],
                 key => 'more');
is_deeply([ (publish($a, [ map { { type => 'e', n => $_ } } 2 .. 4 ],
                     key => 'more'))[0, 1] ], [ @first[0, 1] ],
    'so are several, and elsewhere first');
is_deeply([ map { $ws->recv_until('e')->{n} } 1 .. 4 ], [ 1 .. 4 ],
    'a client gets each once');

# commands

my @both = map { ws_connect($_, '/?user=ann&role=writer') } $a, $b;
$_->recv_until('welcome') for @both;

my @ack = map { done($_, { type => 'e', n => 5 }, 'five') } @both;

is($ack[0]{type}, 'ack', 'a command with a key is done');
is($ack[1]{eventId}, $ack[0]{eventId}, 'once, at either server');
is($ws->recv_until('e')->{n}, 5, 'a client gets it');

my $bob = ws_connect($b, '/?user=bob&role=writer');
$bob->recv_until('welcome');
isnt(done($bob, { type => 'e', n => 6 }, 'five')->{eventId},
    $ack[0]{eventId}, 'the same key of another user is another one');
is($ws->recv_until('e')->{n}, 6, 'so the event is, too');

###############################################################################

# Redis hangs; who has asked goes away

$redis->hang();

my $gone = http('POST /publish HTTP/1.1' . "\x0d\x0aHost: localhost"
    . "\x0d\x0aContent-Type: application/json\x0d\x0aIdempotency-Key: gone"
    . "\x0d\x0aContent-Length: 18\x0d\x0a\x0d\x0a" . '{"type":"e","n":7}',
    start => 1);

ok(wait_for(sub {
    (publish($a, '{"type":"e","n":7}', key => 'gone'))[0] == 409 }),
    'while the first waits for its place, a repeat is told so');
$gone->close();

ok(wait_for(sub {
    @first = publish($a, '{"type":"e","n":7}', key => 'gone');
    return $first[0] == 200;
}), 'then it has one, and who comes again is told');

is_deeply([ (publish($a, '{"type":"e","n":7}', key => 'gone'))[0, 1] ],
    [ @first[0, 1] ], 'always the same');
ok(hub_is('degraded', undef, $a), 'though Redis is away');

my @alone = publish($a, '{"type":"e","n":8}', key => 'alone');
is_deeply([ (publish($a, '{"type":"e","n":8}', key => 'alone'))[0, 1] ],
    [ @alone[0, 1] ], 'as are those who come then');

$redis->go_on();
ok(hub_is('connected', undef, $a, $b), 'Redis is back');

is_deeply([ (publish($a, '{"type":"e","n":8}', key => 'alone'))[0, 1] ],
    [ @alone[0, 1] ], 'which is not forgotten');
is_deeply([ map { $ws->recv_until('e')->{n} } 7, 8 ], [ 7, 8 ],
    'and the others get both');

is((publish($b, { type => 'e', n => 9 }))[0], 200, 'one more event');
is($ws->recv_until('e')->{n}, 9, 'is the next: all were sent once');
is_deeply([ map { $_->faults() } $ws, @both, $bob ], [],
    'no client finds a fault');

###############################################################################


sub done {
    my ($client, $event, $key) = @_;

    return $client->command({ type => 'publish', event => $event,
                              key => $key });
}
