#!/usr/bin/perl

# Publications that are refused: the status, the reason, and nothing sent.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(116);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     2m;
        history  events=400 size=64k;

        channel c { default on; }

        event e       { channel c; }
        event strict  { channel c; require a b; }
    }

    server {
        listen 127.0.0.1:8080;

        location /  { conductor h; conductor_auth off; }

        location /publish {
            conductor_publish h;
        }

        location /short {
            conductor_publish h;
            client_max_body_size 100;
        }

        location /denied {
            conductor_publish h;
            deny all;
        }
    }
}

EOF_CONF

$t->run();

my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');

my $good = '{"type":"e","n":1}';
my $deep = ('[' x 32) . (']' x 32);

# not JSON

for my $case (
    [ 'an empty body'              => '' ],
    [ 'white space alone'          => " \r\n\t" ],
    [ 'an empty array'             => '[]' ],
    [ 'a string'                   => '"e"' ],
    [ 'a number'                   => '1' ],
    [ 'null'                       => 'null' ],
    [ 'an open object'             => '{"type":"e"' ],
    [ 'an open array'              => "[$good" ],
    [ 'a comma too many'           => "[$good,]" ],
    [ 'a comma too few'            => "[$good $good]" ],
    [ 'a comma in an object'       => '{"type":"e",}' ],
    [ 'something after an array'   => "[$good]x" ],
    [ 'an object after an array'   => "[$good]\n$good" ],
    [ 'something after an object'  => "${good}x" ],
    [ 'two objects on a line'      => "$good $good" ],
    [ 'single quotes'              => "{'type':'e'}" ],
    [ 'a comment'                  => "$good // x" ],
    [ 'a leading zero'             => '{"type":"e","n":01}' ],
    [ 'NaN'                        => '{"type":"e","n":NaN}' ],
    [ 'a raw control character'    => qq({"type":"e","s":"\x01"}) ],
    [ 'a lone surrogate'           => '{"type":"e","s":"\ud800"}' ],
    [ 'UTF-8 that is none'         => qq({"type":"e","s":"\xff"}) ],
    [ 'an overlong form'           => qq({"type":"e","s":"\xc0\xaf"}) ],
    [ 'a byte order mark'          => "\xef\xbb\xbf$good" ],
    [ 'a zero octet'               => "$good\0" ],
    [ 'a key that is there twice'  => '{"type":"e","a":1,"a":2}' ],
    [ 'a key twice, in escapes'    => '{"type":"e","a":1,"\u0061":2}' ],
    [ 'nesting 33 deep'            => qq({"type":"e","d":$deep}) ],
    [ 'a broken last event'        => "[$good,$good,{]" ],
) {
    my ($name, $body) = @$case;
    my ($status, $answer) = publish($t, $body);

    is($status, 400, "$name is not JSON");
    ok(ref $answer && length $answer->{error}, 'the answer says why');
}

for my $case (
    [ 'two objects on a line'     => "$good\n$good $good" ],
    [ 'an object over two lines'  => "{\"type\":\n\"e\"}" ],
    [ 'a broken last line'        => "$good\n$good\n{" ],
    [ 'a comma between lines'     => "$good,\n$good" ],
    [ 'no line at all'            => "\n\n" ],
) {
    my ($name, $body) = @$case;
    is((publish($t, $body, type => 'application/x-ndjson'))[0], 400,
        "$name is not NDJSON");
}

# no such event

for my $case (
    [ 'an unknown type', '{"type":"nope"}', 0, 'type' ],
    [ 'a type in another case', '{"type":"E"}', 0, 'type' ],
    [ 'a missing type', '{"n":1}', 0, 'type' ],
    [ 'a type that is a number', '{"type":1}', 0, 'type' ],
    [ 'a type that is null', '{"type":null}', 0, 'type' ],
    [ 'a type the server has for itself', '{"type":"welcome"}', 0, 'type' ],
    [ 'a missing field', '{"type":"strict","a":1}', 0, 'b' ],
    [ 'a field that is null', '{"type":"strict","a":null,"b":1}', 0, 'a' ],
    [ 'a wrong third event', "[$good,$good,{\"type\":\"strict\",\"b\":1}]",
        2, 'a' ],
    [ 'a wrong second line', "$good\n{\"type\":\"nope\"}\n$good", 1, 'type' ],
    [ 'an array in an array', "[$good,[$good]]", 1, undef ],
    [ 'a number in an array', "[$good,7]", 1, undef ],
) {
    my ($name, $body, $index, $field) = @$case;
    my ($status, $answer) = publish($t, $body);

    is($status, 422, "$name cannot be published");
    is_deeply([ length $answer->{error} ? 1 : 0, @$answer{qw/ index field /} ],
        [ 1, $index, $field ], 'the answer says which and why');
}

is((publish($t, '{"type":"strict","a":false,"b":0}'))[0], 200,
    'a required field may be false or 0');
is($ws->recv_json()->{type}, 'strict', 'it is the first that arrives');

# too much

is((publish($t, [ ({ type => 'e' }) x 1025 ]))[0], 413,
    'more events than a request may have are too many');
is((publish($t, [ ({ type => 'e' }) x 101 ]))[0], 413,
    'so is more than a quarter of the history');
is((publish($t, { type => 'e', s => 'x' x 17000 }))[0], 413,
    'an event larger than a quarter of the history is too large');
is((publish($t, { type => 'e', s => 'x' x 100 }, path => '/short'))[0], 413,
    'client_max_body_size holds');
is((publish($t, [ ({ type => 'e', n => 1 }) x 100 ]))[0], 200,
    'a quarter of the history is not too much');
is(scalar(grep { $_ && $_->{type} eq 'e' } map { $ws->recv_json() } 1 .. 100),
    100, 'and arrives');
is((publish($t, { type => 'e', s => 'x' x 16000 }))[0], 200,
    'nor is a large event');
is(length $ws->recv_json()->{s}, 16000, 'which arrives whole');

# other requests

for my $type (qw! text/plain application/x-www-form-urlencoded text/json
    multipart/form-data application/jsonx application/json/x !, 'x', '')
{
    is((publish($t, $good, type => $type))[0], 415,
        "\"$type\" is no content type of an event");
}

for my $method (qw/ GET HEAD PUT DELETE PATCH /) {
    my ($status, undef, $head) = api($t, $method, '/publish');
    is($status, 405, "$method does not publish");
    like($head, qr/^Allow: POST, OPTIONS\x0d$/m, 'POST does')
        if $method eq 'PUT';
}

is((publish($t, $good, path => '/denied'))[0], 403, 'deny denies');
is((api($t, 'POST', '/publish'))[0], 400, 'a POST without a body is empty');

# of all that nothing was sent

is((publish($t, '{"type":"e","n":"last"}'))[0], 200,
    'a good event is still accepted');
is($ws->recv_json()->{n}, 'last', 'nothing of the others was sent');
is_deeply([ $ws->faults() ], [], 'the client finds no fault');
