#!/usr/bin/perl

# The opening handshake, to the letter: what is taken, what is refused and how.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(104);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    log_format  conductor  "$uri $status $conductor_status";
    access_log  %%TESTDIR%%/conductor.log  conductor;

    conductor_hub h {
        zone 32m;
        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen  127.0.0.1:8080;

        conductor_auth        off;
        conductor_limit_conn  off;

        add_header  X-Always yes always;

        location / {
            conductor  h;
        }

        location /echo {
            conductor           h;
            conductor_protocol  echo;
        }

        location /optional {
            conductor  h optional;
        }

        location /small {
            conductor             h;
            client_max_body_size  10;
        }

        location /plain {
            return  200 "plain\n";
        }
    }
}

EOF_CONF

$t->write_file('optional', "a page\n");
$t->run();

###############################################################################

# the 101

my $ws = ws_connect($t, '/', key => 'dGhlIHNhbXBsZSBub25jZQ==');
is($ws->status(), 101, 'a right handshake is accepted');
is($ws->header('Sec-WebSocket-Accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=',
    'with the accept value of the RFC');
like($ws->head(), qr/^HTTP\/1\.1 101 Switching Protocols\x0d\x0a/,
    'and its reason phrase');
is(lc $ws->header('Upgrade'), 'websocket', 'it upgrades to a WebSocket');
is(lc $ws->header('Connection'), 'upgrade', 'on this connection');
is($ws->header('Content-Length'), undef, 'it has no length');
is($ws->header('Transfer-Encoding'), undef, 'nor is it chunked');
is($ws->header('Content-Type'), undef, 'nor of a type');
is($ws->header('Sec-WebSocket-Protocol'), undef,
    'no subprotocol is chosen where none was offered');
is($ws->header('Sec-WebSocket-Extensions'), undef, 'and no extension');
is($ws->header('Sec-WebSocket-Version'), undef, 'and no version is listed');
is($ws->header('X-Always'), 'yes', 'what the configuration adds is there');
is(scalar(() = $ws->head() =~ /^(?:Upgrade|Connection|Sec-\S+):/mig), 3,
    'each header comes once');
is($ws->recv_json()->{type}, 'welcome', 'and the first message is a welcome');

###############################################################################

# what may vary

for my $case (
    [ 'Upgrade in capitals', upgrade => 'WebSocket' ],
    [ 'Upgrade with others', upgrade => 'h2c, websocket' ],
    [ 'Upgrade over two lines', upgrade => 'h2c',
      headers => [ 'upgrade: WEBSOCKET' ] ],
    [ 'Connection in small letters', connection => 'upgrade' ],
    [ 'Connection in capitals', connection => 'UPGRADE' ],
    [ 'Connection of Firefox', connection => 'keep-alive, Upgrade' ],
    [ 'Connection with empty members', connection => ', ,Upgrade ,' ],
    [ 'Connection with tabs', connection => "keep-alive,\tUpgrade\t,x" ],
    [ 'Connection over two lines', connection => 'keep-alive',
      headers => [ 'Connection: Upgrade' ] ],
    [ 'Connection over two lines, ours first',
      headers => [ 'Connection: keep-alive' ] ],
    [ 'an empty body', headers => [ 'Content-Length: 0' ] ],
    [ 'names of headers in any case', version => undef, key => undef,
      headers => [ 'SEC-WEBSOCKET-VERSION: 13',
                   'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==' ] ],
    [ 'a key whose last bits are not zero',
      key => 'dGhlIHNhbXBsZSBub25jZR==' ],
    [ 'a key with + and /', key => '++++++++//////////+/+A==' ],
    [ 'tabs around a value', version => undef, key => undef,
      headers => [ "Sec-WebSocket-Version:\t13\t",
                   "Sec-WebSocket-Key: \tdGhlIHNhbXBsZSBub25jZQ==\t " ] ],
    [ 'an extension that nobody knows', extensions => 'x-unknown; a=1' ],
    [ 'many headers', headers => [ map { "X-$_: $_" } 1 .. 60 ] ],
    [ 'the request octet by octet', chunk => 1 ],
) {
    my ($name, @opt) = @$case;
    is(asked($t, @opt), '101', "$name: accepted");
}

###############################################################################

# refusals

for my $case (
    [ '400 bad_method', 'POST', method => 'POST' ],
    [ '400 bad_method', 'OPTIONS', method => 'OPTIONS' ],
    [ '400 bad_method', 'an unknown method', method => 'FROB' ],
    [ '400 bad_http_version', 'HTTP/1.0', http_version => '1.0' ],
    [ '400 bad_connection', 'no Connection', connection => undef ],
    [ '400 bad_connection', 'another Connection', connection => 'close' ],
    [ '400 bad_connection', 'a Connection that only looks so',
      connection => 'upgraded, x-upgrade, up grade' ],
    [ '400 bad_key', 'no key', key => undef ],
    [ '400 bad_key', 'an empty key', key => '' ],
    [ '400 bad_key', 'two keys',
      headers => [ 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' ] ],
    [ '400 bad_key', 'the same key twice', key => 'dGhlIHNhbXBsZSBub25jZQ==',
      headers => [ 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' ] ],
    [ '400 bad_key', 'a key of 15 octets', key => 'dGhlIHNhbXBsZSBub25j' ],
    [ '400 bad_key', 'a key of 17 octets', key => 'dGhlIHNhbXBsZSBub25jZWU=' ],
    [ '400 bad_key', 'a key without padding', key => 'dGhlIHNhbXBsZSBub25jZQ' ],
    [ '400 bad_key', 'a key of base64url', key => 'dGhlIHNhbXBsZSBub2-_ZQ==' ],
    [ '400 bad_key', 'a key with a space', key => 'dGhlIHNhbXBs ZSBub25jZQ==' ],
    [ '400 bad_key', 'padding inside a key',
      key => 'dGhlIHNhbXBsZSBub25=ZQ==' ],
    [ '400 bad_key', 'a key of 8 KB', key => 'A' x 7800 ],
    [ '426 bad_version', 'no version', version => undef ],
    [ '426 bad_version', 'version 8', version => 8 ],
    [ '426 bad_version', 'version 0', version => 0 ],
    [ '426 bad_version', 'version 14', version => 14 ],
    [ '426 bad_version', 'a version that is a list', version => '8, 13' ],
    [ '426 bad_version', 'two versions',
      headers => [ 'Sec-WebSocket-Version: 8' ] ],
    [ '426 bad_version', 'version 13 twice',
      headers => [ 'Sec-WebSocket-Version: 13' ] ],
    [ '426 bad_version', 'a version with a zero in front', version => '013' ],
    [ '426 bad_version', 'a version that is no number', version => '13.0' ],
    [ '426 no_upgrade', 'no Upgrade', upgrade => undef ],
    [ '426 no_upgrade', 'another Upgrade', upgrade => 'h2c' ],
    [ '426 no_upgrade', 'an Upgrade that only looks so',
      upgrade => 'websocket/13, xwebsocket' ],
    [ '426 no_upgrade', 'a POST without Upgrade', method => 'POST',
      upgrade => undef, connection => undef ],
    [ '400 bad_body', 'a body', body => 'hello',
      headers => [ 'Content-Length: 5' ] ],
    [ '400 bad_body', 'a chunked body', body => "0\x0d\x0a\x0d\x0a",
      headers => [ 'Transfer-Encoding: chunked' ] ],
    [ '400 bad_subprotocol', 'no subprotocol in the list', protocols => '' ],
    [ '400 bad_subprotocol', 'an empty subprotocol',
      protocols => 'conductor.v1,,x' ],
    [ '400 bad_subprotocol', 'a subprotocol that is no token',
      protocols => 'conductor.v1, a b' ],
    [ '400 bad_subprotocol', 'a subprotocol twice', protocols => 'x, y, x' ],
    [ '400 bad_subprotocol', 'a subprotocol twice over two lines',
      protocols => 'x', headers => [ 'Sec-WebSocket-Protocol: x' ] ],
    [ '400 bad_extensions', 'an extension without a name',
      extensions => '; a' ],
    [ '400 bad_extensions', 'a parameter without a name',
      extensions => 'permessage-deflate;' ],
    [ '400 bad_extensions', 'a parameter without its value',
      extensions => 'x; a=' ],
    [ '400 bad_extensions', 'a quoted value without its end',
      extensions => 'x; a="b' ],
    [ '400 bad_extensions', 'a quoted value that is no token',
      extensions => 'x; a="b c"' ],
    [ '400 bad_extensions', 'two extensions without a comma',
      extensions => 'x y' ],
    [ '400 bad_extensions', 'a wrong extension on the second line',
      extensions => 'permessage-deflate',
      headers => [ 'Sec-WebSocket-Extensions: =' ] ],
) {
    my ($want, $name, @opt) = @$case;
    is(asked($t, @opt), $want, "$name: refused");
}

is(asked($t, path => '/small', method => 'POST', body => 'x' x 20,
         headers => [ 'Content-Length: 20' ]), '413',
    'what nginx itself refuses stays with nginx');

###############################################################################

# what a refusal says

$ws = ws_connect($t, '/', version => 7);
is($ws->header('Sec-WebSocket-Version'), 13,
    'another version is told the right one');
is($ws->header('Upgrade'), 'websocket', 'and what to upgrade to');
like($ws->header('Connection'), qr/\bupgrade\b/i,
    'with the option that belongs to Upgrade');
like($ws->head(), qr!^HTTP/1\.1 426 Upgrade Required\x0d!,
    'and its reason phrase');
is($ws->header('Content-Type'), 'application/json', 'the body is JSON');
is(join(' ', sort keys %{$ws->body_json()}), 'code error',
    'with a code and a sentence');
is($ws->header('X-Always'), 'yes', 'what the configuration adds is there');

is(ws_connect($t, '/', key => undef)->header('Upgrade'), undef,
    'other refusals name no protocol');

my $head = http("HEAD / HTTP/1.1\x0d\x0aHost: a\x0d\x0aUpgrade: websocket"
    . "\x0d\x0aConnection: close\x0d\x0a\x0d\x0a");
like($head, qr!^HTTP/1\.1 400 .*\x0d\x0a\x0d\x0a\z!s,
    'the refusal of a HEAD request has no body');

like(twice(4000), qr/426 .*"no_upgrade".*plain/s,
    'a refused request with a body leaves the connection in order');

###############################################################################

# subprotocols

is(chosen($t, 'conductor.v1'), 'conductor.v1', 'ours is chosen');
is(chosen($t, 'x, conductor.v1, y'), 'conductor.v1', 'among others');
is(chosen($t, 'x', 'Sec-WebSocket-Protocol: y, conductor.v1'), 'conductor.v1',
    'on any line');
is(chosen($t, 'x, Conductor.v1, conductor.v10'), '101',
    'none is chosen where ours is not offered, and names have a case');

###############################################################################

# optional

like(http_get('/optional'), qr/ 200 .*a page/s,
    'an optional location serves others');
is(asked($t, path => '/optional'), '101', 'and clients');
is(asked($t, path => '/optional', upgrade => 'h2c'), '200',
    'whoever asks for something else is another');
is(asked($t, path => '/optional', http_version => '1.0'), '200',
    'and so is HTTP/1.0');
is(asked($t, path => '/optional', key => undef), '400 bad_key',
    'but a wrong handshake is refused');

###############################################################################

# what is behind the handshake on the same connection

$ws = ws_connect($t, '', key => 'dGhlIHNhbXBsZSBub25jZQ==', raw_request =>
    "GET /plain HTTP/1.1\x0d\x0aHost: a\x0d\x0a\x0d\x0a"
    . handshake('/echo') . frame(1, 'first'));
is($ws->body(), "plain\n", 'a request before the handshake is answered');
$ws->handshake();
is($ws->status() . ' ' . ($ws->recv_text() // ''), '101 first',
    'and then the handshake, and the frame behind it');

is(logged($t, 'refused: bad_key', '/once'), 0, 'nobody was refused at /once');
$ws = ws_connect($t, '/once', key => 'bad');
is($ws->status(), 400, 'one is now');
is(logged($t, 'refused: bad_key', '/once'), 1, 'it is logged once');
is(logged($t, 'client: 127.0.0.1', '/once'), 1, 'with the client');
ok(wait_for(sub { $t->find_in_file('conductor.log',
    qr!^/once 400 bad_key$!m) }), 'and by name in the access log');

###############################################################################

# The status of a handshake and the code of its refusal.
sub asked {
    my ($t, %opt) = @_;
    my $ws = ws_connect($t, delete $opt{path} // '/', %opt);
    my $status = $ws->status() // 'nothing';

    return $ws->is_open() ? '101' : 'a wrong 101' if $status eq '101';

    my $json = $ws->body_json();
    return $status unless ref $json eq 'HASH';
    return "$status without a sentence" unless length($json->{error} // '');
    return "$status $json->{code}";
}

# The subprotocol of the answer.
sub chosen {
    my ($t, $offer, @headers) = @_;
    my $ws = ws_connect($t, '/', protocols => $offer, headers => \@headers);
    return $ws->header('Sec-WebSocket-Protocol') // $ws->status();
}

# A request that is refused, with so much body, and one behind it.
sub twice {
    my ($size) = @_;

    return http("POST / HTTP/1.1\x0d\x0aHost: a\x0d\x0a"
        . "Content-Length: $size\x0d\x0a\x0d\x0a" . 'x' x $size
        . "GET /plain HTTP/1.1\x0d\x0aHost: a\x0d\x0a"
        . "Connection: close\x0d\x0a\x0d\x0a");
}

# A handshake as text.
sub handshake {
    my ($path) = @_;

    return join "\x0d\x0a", "GET $path HTTP/1.1", 'Host: a',
        'Upgrade: websocket', 'Connection: Upgrade',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version: 13', '', '';
}

# How many lines about refusals of this path have a text.
sub logged {
    my ($t, $text, $path) = @_;

    return scalar grep {
        /handshake refused/ && /\Q$text\E/ && /"GET \Q$path\E /
    } split /\n/, $t->read_file('error.log');
}
