#!/usr/bin/perl

# Over HTTP/2 there is no WebSocket here: a hub says so, or the location's
# other content answers; and the endpoints work as over HTTP/1.1.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_v2 proxy /))
    ->has_daemon('curl');

skip_all('this curl has no HTTP/2')
    unless `curl --version` =~ /^Features:.*\bHTTP2\b/m;

$t->plan(25);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    32m;
        channel c { default on; }
        event   e { channel c; }
    }

    conductor_auth off;

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8081 http2;

        location /        { conductor h; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
        location /files/  { conductor h optional; }

        location /proxy/ {
            conductor  h optional;
            proxy_pass http://127.0.0.1:8082;
        }
    }

    server {
        listen 127.0.0.1:8082;

        location / { return 200 backend; }
    }
}

EOF_CONF

mkdir $t->testdir() . '/files' or die;
$t->write_file('files/a.html', 'file');
$t->run();

my $answer = curl('/');

like($answer, qr!^HTTP/2 426!, 'a hub wants an upgrade that HTTP/2 has not');
like($answer, qr/^sec-websocket-version: 13\r$/m, 'and says which');
unlike($answer, qr/^(?:upgrade|connection|keep-alive|transfer-encoding):/mi,
       'with no header of a single hop');
like($answer, qr/"code":"no_upgrade"/, 'and a body');

$answer = curl('/', '-H', 'Upgrade: websocket', '-H', 'Connection: upgrade',
               '-H', 'Sec-WebSocket-Version: 13',
               '-H', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==');
like($answer, qr!^HTTP/2 4(?:26|00)|^$!,
     'the headers of a handshake change nothing');

like(curl('/', '-X', 'OPTIONS'), qr!^HTTP/2 426!,
     'nor does another method');
like(curl('/', '-I'), qr!^HTTP/2 426.*content-length: [1-9]!s, 'or HEAD');

like(curl('/files/a.html'), qr!^HTTP/2 200.*file$!s, 'optional: files');
like(curl('/proxy/'), qr!^HTTP/2 200.*backend$!s, 'optional: proxy_pass');

like(curl('/health'), qr!^HTTP/2 200.*"websocket":"enabled"!s, 'the health');
like(curl('/health?probe=ready'), qr!^HTTP/2 200!, 'and its probes');

my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');

like(curl('/publish', '-H', 'Content-Type: application/json',
          '-d', '{"type":"e","n":1}'), qr!^HTTP/2 200.*"accepted":1!s,
     'an event is published');
is(($ws->recv_until('e') // {})->{n}, 1, 'and comes');

my $large = '{"type":"e","n":2,"text":"' . 'x' x 200000 . '"}';
$t->write_file('large', $large);

like(curl('/publish', '-H', 'Content-Type: application/json',
          '--data-binary', '@' . $t->testdir() . '/large'),
     qr!^HTTP/2 200.*"accepted":1!s, 'a large one, too');
is(length(($ws->recv_until('e') // {})->{text} // ''), 200000, 'and comes');

like(curl('/publish', '-H', 'Content-Type: application/json', '-d', '{'),
     qr!^HTTP/2 400!, 'what is no JSON is refused');
like(curl('/publish', '-H', 'Content-Type: application/json',
          '-d', '{"type":"none"}'), qr!^HTTP/2 422!, 'and what is no event');
like(curl('/publish'), qr!^HTTP/2 405!, 'and no POST');

my @answers = map { keyed('{"type":"e","n":3}') } 1 .. 2;
like($answers[0], qr!^HTTP/2 200.*"accepted":1!s, 'a key comes over HTTP/2');
is($answers[1], $answers[0], 'a repeat is answered as the first was');
like(keyed('{"type":"e","n":4}'), qr!^HTTP/2 422.*another body!s,
     'and another body refused');
is_deeply((publish($t, '{"type":"e","n":3}', key => 'k'))[1]{eventIds},
    [ $answers[0] =~ /"eventIds":\["([^"]+)"\]/ ],
    'over HTTP/1 it is the same key');
publish($t, { type => 'e', n => 5 });
is(join(' ', map { $ws->recv_until('e')->{n} } 1 .. 2), '3 5', 'and done once');

is($ws->status(), 101, 'WebSocket works beside it');

# HTTP/3: no client of it here, but the listener must be accepted.

SKIP: {
    skip 'this nginx has no HTTP/3', 1 unless $t->has_module('http_v3');

    my ($ok, $said) = nginx_t($t, quic());
    ok($ok, 'a listener of HTTP/3 is accepted') or diag($said);
}


# The answer to a request over HTTP/2, with its headers.
sub curl {
    my ($path, @arguments) = @_;

    open my $f, '-|', 'curl', '-s', '-i', '--max-time', '8',
        '--http2-prior-knowledge', @arguments,
        'http://127.0.0.1:' . port(8081) . $path or die "no curl: $!\n";
    local $/;
    return <$f> // '';
}


# The answer to a publication with a key, but for its time.
sub keyed {
    my ($body) = @_;

    return curl('/publish', '-H', 'Content-Type: application/json',
                '-H', 'Idempotency-Key: k', '-d', $body)
           =~ s/^date: .*?\x0a//mr;
}


# A server that also listens to QUIC.
sub quic {
    return <<'EOF_CONF';

%%TEST_GLOBALS%%

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h { zone 32m; }

    server {
        listen 127.0.0.1:%%PORT_8443_UDP%% quic;
        ssl_reject_handshake on;

        location / { conductor h; conductor_auth off; }
    }
}

EOF_CONF
}
