#!/usr/bin/perl

# The rate of messages: how many pass, what the others are told, who is closed.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use JSON::PP;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(33);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        history  events=100 size=64k;
        drain    1s;

        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_auth off;
        conductor_limit_conn off;

        location /       { conductor h; conductor_limit_messages 5 per=60s; }
        location /plain  { conductor h; }
        location /off    { conductor h; conductor_limit_messages off; }
        location /short  { conductor h; conductor_limit_messages 3 per=1s; }
        location /long   { conductor h; conductor_limit_messages 1 per=50d; }
        location /ten    { conductor h; conductor_limit_messages 1 per=60s; }

        location /three {
            conductor h;
            conductor_limit_messages 2 per=60s close_after=3;
        }

        location /bytes {
            conductor h;
            conductor_limit_messages 100 per=60s bytes=100;
        }

        location /packed {
            conductor h;
            conductor_compress on;
            conductor_limit_messages 100 per=60s bytes=1k close_after=2;
        }

        location /again {
            conductor h;
            conductor_limit_messages 1 per=1s close_after=3;
        }

        location /echo {
            conductor h;
            conductor_protocol echo;
            conductor_limit_messages 1 per=60s;
        }

        location /publish { conductor_publish h; }
    }
}

EOF_CONF

$t->run();

my $text = quotemeta '{"type":"error","code":"rate_limited",'
    . '"error":"Rate limit exceeded. Please slow down.","rateLimited":true,'
    . '"retryAfterMs":';

# exactly so many

my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');
$ws->send_raw(join '', map { ping($_) } 1 .. 7);

my @got = map { $ws->recv_data() } 1 .. 7;
is(join(' ', map { decode_json($_)->{type} } @got),
    'pong pong pong pong pong error error', 'so many pass and no more');
like($got[5], qr/^$text\d+,"id":6\}$/, 'the others are told, under their id');

$ws->send_json({ type => 'ping' });
like($ws->recv_data(), qr/^$text\d+\}$/, 'or without one');
my $retry = $ws->command({ type => 'ping', id => "a\"b" });
is($retry->{id}, "a\"b", 'an id may be a string');
ok($retry->{retryAfterMs} > 0 && $retry->{retryAfterMs} <= 60000,
    'retryAfterMs is the rest of the window');

$ws->send_data(1, 'not JSON');
like($ws->recv_data(), qr/^$text\d+\}$/, 'what is wrong is not even looked at');

publish($t, { type => 'e', n => 1 });
is($ws->recv_json()->{n}, 1, 'events come all the same');

my $other = ws_connect($t, '/');
$other->recv_until('welcome');
is($other->command({ type => 'ping' })->{type}, 'pong',
    'another connection has its own');

$other->send_data(1, 'not JSON') for 1 .. 4;
is(join(' ', map { $other->recv_json()->{code} } 1 .. 4), 'bad_json ' x 3
    . 'bad_json', 'a bad message counts');
is($other->command({ type => 'ping' })->{code}, 'rate_limited',
    'as any other');

my $control = ws_connect($t, '/');
$control->recv_until('welcome');
$control->sync() for 1 .. 10;
is($control->command({ type => 'ping' })->{type}, 'pong',
    'control frames are no messages');
$control->send_fragmented(1, [ split //, '{"type":"ping","id":1}' ]);
is($control->recv_json()->{type}, 'pong', 'nor are fragments');

# by default, and not at all

$ws = ws_connect($t, '/plain');
$ws->recv_until('welcome');
$ws->send_raw(join '', map { ping($_) } 1 .. 101);
is(scalar(grep { $_->{type} eq 'pong' } map { $ws->recv_json() } 1 .. 100),
    100, 'by default a hundred pass');
is($ws->recv_json()->{code}, 'rate_limited', 'and no more');

$ws = ws_connect($t, '/off');
$ws->recv_until('welcome');
$ws->send_raw(join '', map { ping($_) } 1 .. 2000);
is(scalar(grep { $_->{type} eq 'pong' } map { $ws->recv_json() } 1 .. 2000),
    2000, 'where the limit is off all do');

# windows

$ws = ws_connect($t, '/short');
$ws->recv_until('welcome');
my $rounds = 0;

for (1 .. 2) {
    $ws->send_raw(join '', map { ping($_) } 1 .. 4);
    @got = map { $ws->recv_json() } 1 .. 4;
    $rounds++ if join(' ', map { $_->{type} } @got) eq 'pong pong pong error';
    select undef, undef, undef, $got[3]{retryAfterMs} / 1000 + 0.01;
}

is($rounds, 2, 'after retryAfterMs as many pass again');

$ws = ws_connect($t, '/long');
$ws->recv_until('welcome');
$ws->command({ type => 'ping' });
cmp_ok($ws->command({ type => 'ping' })->{retryAfterMs}, '>', 2 ** 32,
    'a window may be longer than 49 days');

# who goes on

$ws = ws_connect($t, '/three');
$ws->recv_until('welcome');
$ws->send_raw(join '', map { ping($_) } 1 .. 20);
is(join(' ', map { ($ws->recv_json() || {})->{type} // 'none' } 1 .. 4),
    'pong pong error error', 'refusals are answered');
my ($code, $reason, $ended) = $ws->expect_close();
is_deeply([ $code, $ended ], [ 4429, 1 ],
    'so often, then the client is closed');
like($reason, qr/^retry=[1-9]\d{0,4}\z/, 'and told when to come back');

$ws = ws_connect($t, '/ten');
$ws->recv_until('welcome');
$ws->send_raw(join '', map { ping($_) } 1 .. 30);
1 while defined $ws->recv_data();
is(($ws->expect_close())[0], 4429,
    'by default after ten times what is allowed');

$ws = ws_connect($t, '/ten');
$ws->recv_until('welcome');
$ws->send_raw(join '', map { ping($_) } 1 .. 10);
is(join(' ', map { ($ws->recv_json() || {})->{type} // 'none' } 1 .. 10),
    'pong' . ' error' x 9, 'and not before');

# octets

$ws = ws_connect($t, '/bytes');
$ws->recv_until('welcome');
$ws->send_data(1, '{"type":"ping","id":1}' . ' ' x 38);
is($ws->recv_json()->{type}, 'pong', 'octets are counted');
$ws->send_data(1, '{"type":"ping","id":2}' . ' ' x 38);
like($ws->recv_data(), qr/^$text\d+,"id":2\}$/, 'and no more pass');
$ws->send_data(1, '{"type":"ping","id":3}' . ' ' x 18);
is($ws->recv_json()->{type}, 'pong', 'what was refused takes nothing');
$ws->send_data(1, '{"type":"ping","id":4}');
is($ws->recv_json()->{code}, 'rate_limited', 'what is full is full');

$ws = ws_connect($t, '/packed', extensions => 'permessage-deflate');
$ws->recv_until('welcome');
$ws->send_data(1, '{"type":"ping","id":1}' . ' ' x (1024 - 22));
is($ws->recv_json()->{type}, 'pong', 'compressed ones are counted by all');
$ws->send_data(1, '{"type":"ping","id":2}');
is($ws->recv_json()->{code}, 'rate_limited', 'of their octets');
$ws->send_data(1, '{"type":"ping","id":3}');
($code, $reason) = $ws->expect_close();
is($code, 4429, 'who goes on is closed for octets, too');
like($reason, qr/^retry=[1-9]\d{0,4}\z/, 'and told when to come back');

$ws = ws_connect($t, '/again');
$ws->recv_until('welcome');
$rounds = 0;

for (1 .. 3) {
    $ws->send_raw(join '', map { ping($_) } 1 .. 3);
    @got = map { $ws->recv_json() || {} } 1 .. 3;
    $rounds++ if join(' ', map { $_->{type} // '' } @got)
                 eq 'pong error error';
    select undef, undef, undef, ($got[2]{retryAfterMs} // 0) / 1000 + 0.01;
}

is($rounds, 3, 'a new window begins to count refusals anew');

$ws = ws_connect($t, '/echo');
$ws->send_text('a');
$ws->send_text('b');
is($ws->recv_text(), 'a', 'an echo is counted, too');
like($ws->recv_data(), qr/^$text\d+\}$/, 'and refused in the same words');


# A frame with a ping in it.
sub ping {
    my ($id) = @_;
    return frame(1, qq({"type":"ping","id":$id}));
}
