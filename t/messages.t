#!/usr/bin/perl

# The native protocol: the welcome, pings, and answers to what is wrong.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use JSON::PP;
use Time::HiRes qw/ time /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /))->plan(81);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone  4m;
        history events=100 size=64k;
        name  node-7;

        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_limit_messages off;

        location / {
            conductor h;
            conductor_auth off;
        }

        location /limits {
            conductor h;
            conductor_identity user=$arg_user role=$arg_role;
            conductor_limit_messages 7 per=30s bytes=9k;
            conductor_max_message 8k;
            conductor_max_queue 64k;
            conductor_ping 11s;
        }

        location /off {
            conductor h;
            conductor_auth off;
            conductor_ping off;
        }

        location /defaults {
            conductor h;
            conductor_auth off;
            conductor_limit_messages 100 per=60s;
        }

        location /publish { conductor_publish h; }
    }
}

EOF_CONF

$t->run();

# the welcome

my $before = int(time() * 1000);
my $ws = ws_connect($t, '/');
my $w = $ws->recv_json();
my $after = int(time() * 1000);

is($w->{type}, 'welcome', 'the first message is the welcome');
is_deeply([ sort keys %$w ], [ qw/ connectionId lastEventId limits message
    pingMs role server timestamp type userId / ], 'with every field');
like($w->{connectionId}, qr/^conn_[A-Za-z0-9_-]{8,}$/,
    'it names the connection');
is($w->{message}, 'Connected to AIConductor WebSocket server',
    'and says where one is');
ok($w->{timestamp} >= $before - 1000 && $w->{timestamp} <= $after,
    'its timestamp is the time in milliseconds');
ok(exists $w->{userId} && !defined $w->{userId},
    'without an identity there is no user');
ok(exists $w->{role} && !defined $w->{role}, 'and no role');
is($w->{server}, 'node-7', 'the server has the name it was given');
ok(length $w->{lastEventId}, 'a position to resume from is there at once');
is($w->{pingMs}, 25000, 'the client knows how often it will be pinged');
is_deeply($w->{limits}, { maxMessage => 65536, maxQueue => 1048576 },
    'and the limits that there are');

my $other = ws_connect($t, '/')->recv_json();
isnt($other->{connectionId}, $w->{connectionId},
    'no two connections have the same id');
is($other->{lastEventId}, $w->{lastEventId}, 'without an event in between '
    . 'the position is the same');

my ($status, $answer) = publish($t, { type => 'e', n => 1 });
$ws->recv_until('e');
is($ws->command({ type => 'ping' })->{lastEventId}, $answer->{eventIds}[0],
    'a pong names the event that came last');
is(ws_connect($t, '/')->recv_json()->{lastEventId}, $answer->{eventIds}[0],
    'so does the next welcome');

$w = ws_connect($t, '/limits?user=ann&role=admin')->recv_json();
is_deeply([ @$w{qw/ userId role pingMs /} ], [ 'ann', 'admin', 11000 ],
    'who has an identity is told');
is_deeply($w->{limits}, { messages => 7, per => 30000, bytes => 9216,
    maxMessage => 8192, maxQueue => 65536 }, 'limits are told as configured');
is(ws_connect($t, '/off')->recv_json()->{pingMs}, 0,
    'where no ping comes that is told');
is_deeply(ws_connect($t, '/defaults')->recv_json()->{limits},
    { messages => 100, per => 60000, maxMessage => 65536,
      maxQueue => 1048576 }, 'one limit may stand without the other');

# pings

for my $case (
    [ 'a string' => '"abc"' ], [ 'a number' => '17' ], [ 'zero' => '0' ],
    [ 'a negative number' => '-3' ], [ 'a real number' => '1.50' ],
    [ 'the empty string' => '""' ], [ 'an escape' => '"a\"b\\\\c"' ],
    [ '64 characters' => '"' . 'x' x 64 . '"' ],
    [ '64 characters of several octets' => '"' . "\xc3\xa9" x 64 . '"' ],
    [ '64 characters outside the BMP' => '"' . "\xf0\x9f\x98\x80" x 64
        . '"' ],
) {
    my ($name, $id) = @$case;
    $ws->send_data(1, qq({"type":"ping","id":$id}));
    my $data = $ws->recv_data();
    like($data, qr/^\{"type":"pong","id":\Q$id\E,/, "$name may be an id");
}

$ws->send_data(1, '{"type":"ping","id":"\u00e9\u0041"}');
is(decode_json($ws->recv_data())->{id}, "\x{e9}A",
    'an id in escapes is the same id');

$ws->send_data(1, " {\n\t\"id\" : 5 , \"more\" : [ { } ] , \"type\" : \"ping\""
    . " }\r\n");
is($ws->recv_json()->{id}, 5, 'white space and more members do not disturb');

$ws->send_data(1, '{"type":"ping"}');
my $pong = $ws->recv_json();
is_deeply([ sort keys %$pong ], [ qw/ lastEventId timestamp type / ],
    'without an id the pong has none');
ok(abs($pong->{timestamp} - time() * 1000) < 60000,
    'the timestamp of a pong is the time');

$ws->send_data(1, '{"type":"\u0070ing","id":1}');
is($ws->recv_json()->{type}, 'pong', 'a type may be written in escapes');

$ws->send_data(1, '{"type":"ping","id":1,"key":"' . 'k' x 64 . '"}');
is($ws->recv_json()->{type}, 'pong', 'a key may have 64 characters');

my $nest = sub { ('[' x $_[0]) . (']' x $_[0]) };
$ws->send_data(1, '{"type":"ping","id":1,"x":' . $nest->(31) . '}');
is($ws->recv_json()->{type}, 'pong', 'a message may be nested 32 deep');

# what is no command

for my $case (
    [ 'an empty message'       => '' ],
    [ 'a word'                 => 'hello' ],
    [ 'a string'               => '"ping"' ],
    [ 'a number'               => '1' ],
    [ 'an array'               => '[{"type":"ping"}]' ],
    [ 'null'                   => 'null' ],
    [ 'an open object'         => '{"type":"ping"' ],
    [ 'two objects'            => '{"type":"ping"}{"type":"ping"}' ],
    [ 'a comma too many'       => '{"type":"ping",}' ],
    [ 'a key twice'            => '{"type":"ping","type":"ping"}' ],
    [ 'a zero octet at the end' => "{\"type\":\"ping\"}\0" ],
    [ 'nesting 33 deep'        => '{"type":"ping","x":' . $nest->(32) . '}' ],
    [ 'nesting 10,000 deep'    => $nest->(10000) ],
) {
    my ($name, $data) = @$case;
    $ws->send_data(1, $data);
    my $error = $ws->recv_json();
    is_deeply([ @$error{qw/ type code /}, length $error->{error} ? 1 : 0 ],
        [ 'error', 'bad_json', 1 ], "$name is bad JSON");
}

$ws->send_data(1, '{"id":"deep","type":"ping","x":' . $nest->(32) . '}');
is($ws->recv_json()->{id}, 'deep',
    'an id in front of what is nested too deep is in the answer');

for my $case (
    [ 'no type'              => '{"id":"i"}' ],
    [ 'a type of null'       => '{"id":"i","type":null}' ],
    [ 'a type of a number'   => '{"id":"i","type":1}' ],
    [ 'an empty type'        => '{"id":"i","type":""}' ],
    [ 'a type of 65'         => '{"id":"i","type":"' . 'x' x 65 . '"}' ],
    [ 'a key of 65'          => '{"id":"i","type":"ping","key":"'
        . 'x' x 65 . '"}' ],
    [ 'a key of a number'    => '{"id":"i","type":"ping","key":1}' ],
) {
    my ($name, $data) = @$case;
    $ws->send_data(1, $data);
    my $error = $ws->recv_json();
    is_deeply([ @$error{qw/ type code id /} ], [ 'error', 'bad_message', 'i' ],
        "$name is a bad message, answered under its id");
}

for my $case (
    [ 'an id of 65 characters'  => '"' . 'x' x 65 . '"' ],
    [ 'an id of 65 digits'      => '1.' . '0' x 63 ],
    [ 'an id of null'           => 'null' ],
    [ 'an id of true'           => 'true' ],
    [ 'an id that is an object' => '{}' ],
    [ 'an id that is an array'  => '[1]' ],
) {
    my ($name, $id) = @$case;
    $ws->send_data(1, qq({"type":"ping","id":$id}));
    my $error = $ws->recv_json();
    is_deeply([ $error->{code}, exists $error->{id} ? 1 : 0 ],
        [ 'bad_message', 0 ], "$name is none");
}

$ws->send_data(1, '{"type":"ping",' . join(',', map { "\"k$_\":1" } 1 .. 64)
    . '}');
is($ws->recv_json()->{code}, 'bad_message', 'a message may not have 65 '
    . 'members');

# what is no type

for my $type ('nope', 'PING', 'ping ', 'welcome', 'e', 'agent:', 'agent:x',
    'custom-command')
{
    my $error = $ws->command({ type => $type, id => 42 });
    is_deeply([ @$error{qw/ type code id /} ], [ 'error', 'unknown_type', 42 ],
        "\"$type\" is an unknown type");
}

$ws->send_data(1, '{"type":"nope","id":"x"}');
is_deeply([ sort keys %{$ws->recv_json()} ], [ qw/ code error id type / ],
    'an error has these fields');

my $error = $ws->command({ type => 'auth', token => 'x', id => 'a' });
is_deeply([ @$error{qw/ type code id /} ], [ 'error', 'forbidden', 'a' ],
    'without tokens there is nothing to authenticate with');

# and it costs nothing else

is($ws->command({ type => 'ping', id => 'end' })->{type}, 'pong',
    'after all that the connection is as before');
publish($t, { type => 'e', n => 2 });
is($ws->recv_json()->{n}, 2, 'and still gets events');

my $all = join '', map { frame(1, qq({"type":"ping","id":$_})) } 1 .. 500;
$ws->send_raw($all);
is_deeply([ map { ($ws->recv_json() || {})->{id} } 1 .. 500 ], [ 1 .. 500 ],
    'many commands at once are answered in order');

$ws->send_raw(frame(1, '{"type":"ping","id":"odd"}'), chunk => 1);
is($ws->recv_json()->{id}, 'odd', 'so is one that comes octet by octet');
$ws->send_fragmented(1, [ split //, '{"type":"ping","id":"cut"}' ]);
is($ws->recv_json()->{id}, 'cut', 'and one that comes in fragments');

$ws->send_data(2, '{"type":"ping"}');
is(($ws->expect_close())[0], 1003, 'binary messages are not of this protocol');
is_deeply([ $ws->faults() ], [], 'the client finds no fault');
