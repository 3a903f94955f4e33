#!/usr/bin/perl

# Publishing over HTTP: the forms of a body, and what becomes of an event.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/ :DEFAULT http_content http_end /;
use Test::Conductor;

use JSON::PP;
use Time::HiRes qw/ time /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(54);

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
        history  events=10000 size=2m;

        channel c      { default on; }
        channel quiet  { default off; }

        event e       { channel c; }
        event hidden  { channel quiet; }
    }

    server {
        listen 127.0.0.1:8080;

        location /  { conductor h; conductor_auth off; }

        location /publish {
            conductor_publish h;
        }

        location /file {
            conductor_publish h;
            client_body_buffer_size 1k;
        }

        location /always-file {
            conductor_publish h;
            client_body_in_file_only clean;
        }
    }
}

EOF_CONF

$t->run();

my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');

# the forms

my ($status, $answer) = publish($t, { type => 'e', n => 1 });
is($status, 200, 'one object is accepted');
is($answer->{accepted}, 1, 'and counted');
is(@{$answer->{eventIds}}, 1, 'and given an id');

my $event = $ws->recv_until('e');
is_deeply([ sort keys %$event ], [ qw/ eventId n timestamp type / ],
    'a client gets its fields, a timestamp and an id');
is($event->{eventId}, $answer->{eventIds}[0],
    'the id of the answer is that of the event');

($status, $answer) = publish($t, [ map { { type => 'e', n => $_ } } 1 .. 3 ]);
is_deeply([ $status, $answer->{accepted} ], [ 200, 3 ],
    'an array is accepted');
is_deeply([ got($ws, 3) ], [ map { [ $_, $answer->{eventIds}[$_ - 1] ] }
    1 .. 3 ], 'and arrives in order, each event under its own id');

my $lines = qq({"type":"e","n":1}\n{"type":"e","n":2}\r\n\n{"type":"e","n":3});

for my $type (qw! application/x-ndjson application/ndjson application/jsonl !,
    'application/x-ndjson; charset=utf-8')
{
    ($status, $answer) = publish($t, $lines, type => $type);
    is_deeply([ $status, $answer->{accepted} ], [ 200, 3 ],
        "lines are accepted as $type");
    is_deeply([ got($ws, 3) ],
        [ map { [ $_, $answer->{eventIds}[$_ - 1] ] } 1 .. 3 ],
        'and arrive in order');
}

($status, $answer) = publish($t, $lines);
is_deeply([ $status, $answer->{accepted} ], [ 200, 3 ],
    'lines are known by their shape where the type says JSON');
got($ws, 3);

is(publish_status($t, "{\n  \"type\": \"e\",\n  \"n\": 1\n}\n"), 200,
    'an object may be over several lines');
is(publish_status($t, "\r\n\t [ {\"type\":\"e\",\"n\":2} \n]\n "), 200,
    'white space may be around everything');
is_deeply([ map { $_->[0] } got($ws, 2) ], [ 1, 2 ], 'both arrive');

for my $type ('application/json; charset=utf-8', 'Application/JSON') {
    is(publish_status($t, '{"type":"e","n":1}', type => $type), 200,
        "the content type may be $type");
}

like(http("POST /publish HTTP/1.0\x0d\x0aContent-Length: 18\x0d\x0a\x0d\x0a"
    . '{"type":"e","n":1}'), qr/ 200 /, 'or be missing');
got($ws, 3);

# what arrives

is(sent($t, $ws, '{"type":"e","s":"\u00e9\ud83d\ude00\u0001\"\\\\\/\n"}'),
    canonical('"s":"\u00e9\ud83d\ude00\u0001\"\\\\\/\n"'),
    'escapes mean the same when they arrive');
is(sent($t, $ws, qq({"type":"e","s":"\xc3\xa9\xf0\x9f\x98\x80"})),
    canonical(qq("s":"\xc3\xa9\xf0\x9f\x98\x80")), 'so does plain UTF-8');
is(sent($t, $ws, '{"type":"\u0065","s":1}'), canonical('"s":1'),
    'a type may be written in escapes');
is(sent($t, $ws, '{"type":"e","":1,"\u0001":2}'),
    canonical('"":1,"\u0001":2'), 'keys may be empty or strange');

like(sent_raw($t, $ws, '{"type":"e","big":9007199254740993,"neg":-0,'
    . '"real":1.25e+10,"tiny":1E-7,"t":true,"f":false,"z":null}'),
    qr/"big":9007199254740993,"neg":-0,"real":1.25e\+10,"tiny":1E-7,
       "t":true,"f":false,"z":null/x,
    'numbers and constants come as they were written');
like(sent_raw($t, $ws, '{"type":"e","o":{"b":[1,{"c":[]}],"a":{}}}'),
    qr/"o":\{"b":\[1,\{"c":\[\]\}\],"a":\{\}\}/,
    'objects and arrays keep their order');

my $deep = ('[' x 31) . (']' x 31);
like(sent_raw($t, $ws, qq({"type":"e","d":$deep})), qr/"d":\Q$deep\E/,
    'an event may be nested 32 deep');
is(publish_status($t, qq([{"type":"e","d":$deep}])), 200,
    'also one of an array');
got($ws, 1);

my $many = join ',', map { "\"k$_\":$_" } 1 .. 100;
like(sent_raw($t, $ws, qq({"type":"e",$many})), qr/\Q$many\E/,
    'an event may have a hundred fields');

# what the server adds

my $before = int(time() * 1000);
($status, $answer) = publish($t,
    '{"timestamp":"mine","type":"e","eventId":"mine","n":1}');
my $raw = $ws->recv_data();
my $after = int(time() * 1000);
$event = decode_json($raw);

ok($event->{timestamp} >= $before - 1000 && $event->{timestamp} <= $after,
    'the timestamp is the time in milliseconds');
is(() = $raw =~ /"timestamp"/g, 1, "a publisher's own is replaced");
is($event->{eventId}, $answer->{eventIds}[0], 'so is its event id');
is(() = $raw =~ /"eventId"/g, 1, 'which is there once');
like($raw, qr/"timestamp":\d{13}[,}]/, 'a timestamp is a whole number');

is(publish_status($t, '{"type":"e","tim\u0065stamp":"mine","n":1}'), 200,
    'a timestamp in escapes is accepted');
unlike($ws->recv_data(), qr/mine/, 'and replaced all the same');

# ids

my %seen;
my @ids = map { @{(publish($t, [ ({ type => 'e', n => 1 }) x 100 ]))[1]
    ->{eventIds}} } 1 .. 3;
is(scalar(grep { !$seen{$_}++ } @ids), 300, 'ids are given once');
is_deeply([ map { $_->[1] } got($ws, 300) ], \@ids,
    'and come in the order of the answers');

is(publish_status($t, '{"type":"hidden","n":1}'), 200,
    'an event of a channel that nobody has is accepted');
is(publish_status($t, '{"type":"e","n":"next"}'), 200, 'so is the next');
is($ws->recv_json()->{n}, 'next', 'which alone is delivered');

# the body on its way

my $text = 'x' x 300000;
is_deeply([ map { length sent_field($t, $ws, $text, path => $_) }
    qw! /publish /file /always-file ! ], [ (300000) x 3 ],
    'a body may lie in memory or in a file');

is(publish_status($t, '[' . join(',', map { qq({"type":"e","n":$_}) } 1 .. 500)
    . ']', path => '/file'), 200, 'many events may lie in a file');
is_deeply([ map { $_->[0] } got($ws, 500) ], [ 1 .. 500 ],
    'and come in order');

like(chunked($t, '{"ty', 'pe":"e",', '"n":1}'), qr/"accepted":1/,
    'a body may come in chunks');
is(($ws->recv_until('e') || {})->{n}, 1, 'and is put together');
like(chunked($t, '{"type":"e","n":1,"s":"', ('x' x 1000) x 60, '"}'),
    qr/"accepted":1/, 'also one that is larger than the buffer');
is(length(($ws->recv_until('e') || {})->{s}), 60000, 'which is whole');

like(http("POST /publish HTTP/1.1\x0d\x0aHost: a\x0d\x0aConnection: close"
    . "\x0d\x0aExpect: 100-continue\x0d\x0aContent-Length: 18\x0d\x0a\x0d\x0a"
    . '{"type":"e","n":1}'), qr/ 200 OK/,
    'a publisher may ask first whether to go on');

# of a length that leaves nginx's own parser aligned for a sanitizer

my $one = "POST /publish HTTP/1.1\x0d\x0aHost: a\x0d\x0aContent-Length: 18"
    . "\x0d\x0a\x0d\x0a" . '{"type":"e","n":1}';
$one =~ s/Host: a/'Host: a' . 'a' x (-length($one) % 4)/e;
my $last = $one =~ s/Host: a/Connection: close\x0d\x0aHost: a/r;
is(() = http($one x 3 . $last) =~ m!HTTP/1\.1 200 !g, 4,
    'a connection carries one publication after the other');
is_deeply([ map { $_->[0] } got($ws, 5) ], [ (1) x 5 ], 'and all arrive');

is_deeply([ $ws->faults() ], [], 'the client finds no fault');


# The next events: n and id of each.
sub got {
    my ($client, $n) = @_;
    return map { my $e = $client->recv_json() || {};
                 [ $e->{n}, $e->{eventId} ] } 1 .. $n;
}


# The status alone.
sub publish_status {
    my ($nginx, @args) = @_;
    return (publish($nginx, @args))[0];
}


# Publishes octets and returns the message that a client gets.
sub sent_raw {
    my ($nginx, $client, $body) = @_;
    my ($code) = publish($nginx, $body);
    return "status $code" if $code != 200;
    return $client->recv_data();
}


# The same without what the server adds, in one order.
sub sent {
    my $message = eval { decode_json(sent_raw(@_)) } or return "not JSON: $@";
    delete @$message{qw/ timestamp eventId /};
    return JSON::PP->new->canonical->ascii->encode($message);
}


# An event with these fields as sent() shows it.
sub canonical {
    my ($fields) = @_;
    return JSON::PP->new->canonical->ascii->encode(
        decode_json("{\"type\":\"e\",$fields}"));
}


# Publishes an event with one large field and returns what arrives of it.
sub sent_field {
    my ($nginx, $client, $value, %opt) = @_;
    publish($nginx, { type => 'e', s => $value }, %opt);
    return ($client->recv_until('e') || {})->{s};
}


# A request whose body comes in these chunks, each in its own write.
sub chunked {
    my ($nginx, @chunks) = @_;

    my $s = http("POST /publish HTTP/1.1\x0d\x0aHost: a\x0d\x0a"
        . "Content-Type: application/json\x0d\x0aConnection: close\x0d\x0a"
        . "Transfer-Encoding: chunked\x0d\x0a\x0d\x0a", start => 1);

    $s->print(sprintf "%x\x0d\x0a%s\x0d\x0a", length, $_) for @chunks, '';

    return http_content(http_end($s));
}
