#!/usr/bin/perl

# Idempotency-Key: a request that is repeated is answered as the first was.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/ :DEFAULT http_content http_end /;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl /))
    ->has_daemon('openssl')->plan(46);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
    worker_connections 2048;
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        history  events=10000 size=1m;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_hub small {
        zone     2m;
        history  events=100 size=64k;

        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080 reuseport;
        listen 127.0.0.1:8443 ssl reuseport;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location /        { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }
        location /other   { conductor_publish h; }
        location /small   { conductor_publish small; }

        location /short {
            conductor_publish h;
            client_max_body_size 100;
        }

        location /token {
            conductor_publish h;
            conductor_jwt_key HS256 'the secret, which is 32 octets or longer';
            conductor_require_role r;
        }
    }
}

EOF_CONF

certificate($t);

$t->run();

my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');

my $n = 0;

# the same once more

my @answers = map { raw($t, 'once', '{"type":"e","n":1}') } 1 .. 20;
is((status($answers[0]))[0], 200, 'a request with a key is accepted');
is(scalar(grep { http_content($_) eq http_content($answers[0]) } @answers),
    20, 'a repeat is answered by the same octets, whichever worker it meets');

my $many = '[{"type":"e","n":2},{"type":"e","n":3},{"type":"e","n":4}]';
@answers = map { raw($t, 'many', $many) } 1 .. 2;
like($answers[0], qr/"accepted":3/, 'so are several events');
is(http_content($answers[1]), http_content($answers[0]), 'each under its id');

my ($code, $answer) = publish($t, { type => 'e', n => 5 }, key => 'next');
is_deeply([ map { $ws->recv_json()->{n} } 1 .. 5 ], [ 1 .. 5 ],
    'a client gets each of them once');
is_deeply([ (publish($t, { type => 'e', n => 5 }, key => 'next'))[0, 1] ],
    [ 200, $answer ], 'the ids are those of the first time');

# another body

($code, $answer) = publish($t, { type => 'e', n => 6 }, key => 'once');
is($code, 422, 'the same key with another body is refused');
is($answer->{error}, 'this Idempotency-Key was used with another body',
    'and the answer says why');
is((publish($t, '{', key => 'once'))[0], 422, 'whatever body that is');
is((publish($t, '{"type":"e","n":1}', key => 'once'))[0], 200,
    'the first body is still answered');

# whose key it is

my ($ann, $bob) = map { token($_) } qw/ ann bob /;
my %ids;

for my $case ([ 'in another location', path => '/other' ],
              [ 'of a user', path => '/token', token => $ann ],
              [ 'of another user', path => '/token', token => $bob ])
{
    my ($name, @opt) = @$case;
    ($code, $answer) = publish($t, '{"type":"e","n":1}', key => 'once', @opt);
    is("$code " . ($ws->recv_json() || {})->{eventId},
        "200 $answer->{eventIds}[0]", "a key $name is another one");
    $ids{$name} = $answer;
}

is_deeply((publish($t, '{"type":"e","n":1}', key => 'once',
                   path => '/token', token => token('ann', jti => 'another')))[1],
    $ids{'of a user'}, 'a user may come with another token');

# over TLS

my ($plain) = (publish($t, '{"type":"e","n":1}', key => 'both'))[1];
is_deeply([ (publish($t, '{"type":"e","n":1}', key => 'both', ssl => 1))[0, 1] ],
    [ 200, $plain ], 'what was done plain is known over TLS');
is_deeply((publish($t, '{"type":"e","n":1}', key => 'once', ssl => 1,
                   path => '/token', token => $ann))[1],
    $ids{'of a user'}, 'also of a user');
is((publish($t, '{"type":"e"}', key => 'both', ssl => 1))[0], 422,
    'another body is refused');
$answer = (publish($t, '{"type":"e","n":11}', key => 'TLS', ssl => 1))[1];
is_deeply((publish($t, '{"type":"e","n":11}', key => 'TLS'))[1], $answer,
    'and the reverse');
is(join(' ', map { $ws->recv_json()->{n} } 1, 2), '1 11', 'each is done once');

# what is no key

is((publish($t, { type => 'e' }, key => 'k' x 255))[0], 200,
    'a key may have 255 octets');
$ws->recv_json();
is((publish($t, { type => 'e' }, key => 'k' x 256))[0], 400, 'and not 256');
is((publish($t, { type => 'e' }, key => ''))[0], 400, 'nor none');
($code, $answer) = publish($t, { type => 'e' },
    headers => [ 'Idempotency-Key: a', 'idempotency-key: b' ]);
is($code, 400, 'nor may there be two');
like($answer->{error}, qr/^Idempotency-Key must be there once/,
    'the answer says why');
is((publish($t, { type => 'e' }, key => '"quoted, and with = signs"'))[0],
    200, 'what stands in it does not matter');
$ws->recv_json();

# what fails is forgotten

is((publish($t, '{', key => 'fails'))[0], 400, 'what is not JSON fails');
is((publish($t, { type => 'nope' }, key => 'fails'))[0], 422,
    'its key is free for what is JSON');
is((publish($t, { type => 'e', n => 7 }, key => 'fails'))[0], 200,
    'and then for an event');
is($ws->recv_json()->{n}, 7, 'which arrives');

is((publish($t, { type => 'e', s => 'x' x 100 }, key => 'long',
            path => '/short'))[0], 413, 'a body may be too long for nginx');
is((publish($t, { type => 'e', n => 8 }, key => 'long',
            path => '/short'))[0], 200, 'its key is free, too');
is($ws->recv_json()->{n}, 8, 'for a shorter one');

# while the first is under way

my $first = start($t, '/publish', 'slow');
ok(wait_for(sub { try_key($t, '/publish', 'slow') == 409 }),
    'while the first is under way a second one is refused');
my $head = (publish($t, { type => 'e', n => 9 }, key => 'slow'))[2];
like($head, qr/^Retry-After: 1\x0d$/m, 'and told to come again');

$first->print('"e","n":9}');
$answer = http_content(http_end($first));
like($answer, qr/"accepted":1/, 'the first goes on');
is(http_content(raw($t, 'slow', '{"type":"e","n":9}')), $answer,
    'and then the second is answered as the first');
is($ws->recv_until(sub { ($_[0]{n} // 0) == 9 })->{n}, 9,
    'a client gets it once');

$first = start($t, '/publish', 'gone');
ok(wait_for(sub { try_key($t, '/publish', 'gone') == 409 }),
    'a first one begins');
$first->close();
ok(wait_for(sub {
    (publish($t, { type => 'e', n => 10 }, key => 'gone'))[0] == 200 }),
    'if it goes away, the key is free');

# more at a time than there is room for

my @small = (path => '/small');
my $kept = (publish($t, { type => 'e' }, @small, key => 'kept'))[1];

my @open = map { start($t, '/small', "open $_") } 1 .. 600;
ok(wait_for(sub { try_key($t, '/small', 'open 1') == 409 }),
    'many requests are under way');
is_deeply((publish($t, { type => 'e' }, @small, key => 'kept'))[1], $kept,
    'what was answered before is known');
is((publish($t, { type => 'e' }, @small, key => 'new'))[0], 200,
    'and there is room for who is quick');

my @last = publish($t, '{"type":"e","n":9}', @small, key => 'open 600');
is($last[0], 200, 'also under the key of one of them');
$open[-1]->print('"e","n":9}');
is_deeply([ http_end($open[-1]) =~ /"(\d+-\d+)"/ ], $last[1]{eventIds},
    'which is then answered the same');

$open[0]->print('"e","n":9}');
like(http_end($open[0]), qr/ 200 OK/, 'the first one comes to its end');
is_deeply([ $ws->faults() ], [], 'the client finds no fault');


# A token of a user.
sub token {
    my ($user, %more) = @_;
    return jwt({ sub => $user, role => 'r', exp => time() + 600, %more },
        key => 'the secret, which is 32 octets or longer');
}


# The whole answer to a publication with a key.
sub raw {
    my ($nginx, $key, $body) = @_;

    return http("POST /publish HTTP/1.1\x0d\x0aHost: localhost\x0d\x0a"
        . "Connection: close\x0d\x0aIdempotency-Key: $key\x0d\x0a"
        . 'Content-Length: ' . length($body) . "\x0d\x0a\x0d\x0a$body");
}


sub status {
    my ($text) = @_;
    return $text =~ m!^HTTP/1\.1 (\d+)!;
}


# A request whose body is not there yet: '{"type":"e","n":9}' but for the end.
sub start {
    my ($nginx, $path, $key) = @_;

    return http("POST $path HTTP/1.1\x0d\x0aHost: localhost\x0d\x0a"
        . "Connection: close\x0d\x0aIdempotency-Key: $key\x0d\x0a"
        . "Content-Length: 18\x0d\x0a\x0d\x0a" . '{"type":', start => 1);
}


# What a request with this key is answered; it publishes nothing.
sub try_key {
    my ($nginx, $path, $key) = @_;
    return (publish($nginx, { type => 'nope' }, path => $path,
                    key => $key))[0];
}


# A certificate of nobody.
sub certificate {
    my ($nginx) = @_;
    my $d = $nginx->testdir();

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
           . " -nodes -subj /CN=localhost -days 2 -keyout $d/key.pem"
           . " -out $d/cert.pem >/dev/null 2>&1") == 0
        or die "openssl failed\n";
}
