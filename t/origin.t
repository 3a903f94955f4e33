#!/usr/bin/perl

# Pages of which sites may connect and publish: conductor_origins, and CORS.

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

$t->write_file_expand('nginx.conf', conductor_conf(<<'CONF'));

%%TEST_GLOBALS%%

error_log %%TESTDIR%%/info.log info;

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 4m;
        history events=1000 size=256k;
        channel c { default on; }
        event e { channel c; }
    }

    conductor_origins https://of-http.example.com;

    server {
        listen 127.0.0.1:8080;
        conductor_limit_conn off;
        conductor_auth off;

        location /inherited { conductor h; }

        location /list {
            conductor h;
            conductor_origins https://a.example.com http://b.example.com:81;
            conductor_origins *.none.example.com;
            conductor_origins https://*.example.org
                              https://*.deep.example.net:444;
            conductor_origins http://[::1]:82 https://xn--bcher-kva.example;
        }

        location /any { conductor h; conductor_origins *; }

        location /publish {
            conductor_publish h;
            conductor_origins https://a.example.com;
        }

        location /publish/token {
            conductor_publish h;
            conductor_jwt_key HS256 'the secret, which is 32 octets or longer';
            conductor_origins https://a.example.com;
        }

        location /publish/own { conductor_publish h; }

        location /health {
            conductor_health h;
            conductor_origins https://a.example.com;
        }
    }
}

CONF

###############################################################################

# a scheme is needed, as this configuration shows

my $conf = $t->read_file('nginx.conf');
my ($ok, $said) = nginx_t($t, $conf);
ok(!$ok, 'an origin without a scheme is refused');
like($said, qr/"\*\.none\.example\.com" in "conductor_origins" directive: \w/,
    'by name, with the reason');

$conf =~ s/\n[^\n]*none\.example[^\n]*//;
$t->write_file('nginx.conf', $conf);

for my $bad ('https://a.example.com/', 'https://', 'a.example.com',
             'https://a.*.com', 'https://*', 'https://a.example.com:0',
             'https://a.example.com:65536', '""', 'https://u@a.example.com',
             'https://a_b.example.com,https://c')
{
    ($ok, $said) = nginx_t($t, $conf =~ s/(conductor_origins )\*;/$1$bad;/r);
    ok(!$ok && $said =~ /in "conductor_origins" directive: \w/,
        "refused in the configuration: $bad");
}

$t->run();

###############################################################################

# who may connect

my $own = 'localhost';
my $port = port(8080);

for my $case (
    [ 'https://a.example.com', 'an origin of the list' ],
    [ 'https://a.example.com:443', 'with the port that it has anyway' ],
    [ 'HTTPS://A.Example.COM', 'in another case' ],
    [ 'http://b.example.com:81', 'with another port' ],
    [ 'https://x.example.org', 'below a wildcard' ],
    [ 'https://x.y.example.org', 'two below a wildcard' ],
    [ 'https://x.deep.example.net:444', 'below a wildcard with a port' ],
    [ 'http://[::1]:82', 'an address' ],
    [ 'https://xn--bcher-kva.example', 'a name of another script' ])
{
    is(status($t, '/list', $case->[0]), '101', "$case->[1]: $case->[0]");
}

for my $case (
    [ 'http://a.example.com', 'another scheme' ],
    [ 'https://a.example.com:444', 'another port' ],
    [ 'https://b.example.com', 'another scheme and port' ],
    [ 'http://b.example.com', 'no port' ],
    [ 'https://example.org', 'what the wildcard is below' ],
    [ 'https://.example.org', 'an empty name below it' ],
    [ 'https://xexample.org', 'no dot before it' ],
    [ 'https://x.example.org.evil.com', 'more after it' ],
    [ 'https://x.example.org:444', 'its other port' ],
    [ 'https://x.deep.example.net', 'a port that is missing' ],
    [ 'https://a.example.com.evil.com', 'the name as a beginning' ],
    [ 'https://evil-a.example.com', 'the name as an end' ],
    [ 'https://a.example.com@evil.com', 'the name as a user' ],
    [ 'https://evil.com/https://a.example.com', 'the name in a path' ],
    [ 'https://a.example.com/', 'a slash behind it' ],
    [ 'https://a.example.com https://evil.com', 'a list' ],
    [ 'https://a.example.com,https://evil.com', 'a list with a comma' ],
    [ 'https://a.example.com:443:443', 'two ports' ],
    [ 'https://a.example.com:00443', 'zeros before the port' ],
    [ "https://a.example.com\xa0", 'an octet behind it' ],
    [ 'a.example.com', 'no scheme' ],
    [ '//a.example.com', 'nothing before the slashes' ],
    [ 'https:a.example.com', 'no slashes' ],
    [ '*', 'an asterisk' ],
    [ 'https://*.example.org', 'the wildcard itself' ],
    [ 'null', 'a page without an origin' ],
    [ 'NULL', 'that in capitals' ],
    [ 'file://', 'a file' ],
    [ '', 'nothing' ],
    [ 'https://' . 'a' x 2000 . '.evil.com', 'a very long one' ],
    [ 'https://of-http.example.com', 'what the level above names' ])
{
    is(status($t, '/list', $case->[0]), '403 bad_origin', "not $case->[1]");
}

is(status($t, '/list', undef), '101', 'no origin at all');
is(status($t, '/inherited', 'https://of-http.example.com'), '101',
    'a level without a list inherits it');
is(ws_connect($t, '/list', headers => [ 'Origin: https://a.example.com',
                                        'Origin: https://a.example.com' ])
    ->status(), 403, 'two origins, even good ones');

is(status($t, '/any', $_), '101', "any origin: '$_'")
    for 'https://evil.com', 'null', 'http://x:1', 'chrome-extension://abc';
is(status($t, '/any', $_), '403 bad_origin', "but no rubbish: '$_'")
    for '', 'x', 'https://a b';

# the own host

is(status($t, '/list', $_->[0], $_->[1]), '101',
    "its own: $_->[0] at $_->[1]")
    for [ 'http://localhost', 'localhost' ],
        [ "http://127.0.0.1:$port", "127.0.0.1:$port" ],
        [ 'http://Example.net', 'example.NET' ],
        [ 'https://example.net', 'example.net' ],
        [ 'http://[::1]:8080', '[::1]:8080' ],
        [ 'http://example.net', 'example.net:80' ];
is(status($t, '/list', $_->[0], $_->[1]), '403 bad_origin',
    "not its own: $_->[0] at $_->[1]")
    for [ 'http://localhost:8081', 'localhost:8080' ],
        [ 'http://localhost:8081', 'localhost' ],
        [ 'http://localhost', 'localhost:8080' ],
        [ 'http://localhost.evil.com', 'localhost' ],
        [ 'ftp://localhost', 'localhost' ];

###############################################################################

# CORS

my ($code, $body, $head) = preflight($t, '/publish', 'https://a.example.com');

is($code, 204, 'a preflight is answered');
like($head, qr/^Access-Control-Allow-Origin: https:\/\/a\.example\.com\r$/m,
    'with the origin that asked, not with an asterisk');
like($head, qr/^Access-Control-Allow-Methods: .*\bPOST\b/m, 'the method');
like($head, qr/^Access-Control-Allow-Headers:.*\b\Q$_\E\b/m, "the header $_")
    for qw/ Authorization Content-Type Idempotency-Key /;
like($head, qr/^Vary: Origin\r$/m, 'a cache may not mix origins');

is((preflight($t, '/publish/token', 'https://a.example.com'))[0], 204,
    'a preflight needs no token');
($code, $body, $head) = preflight($t, '/publish', 'https://evil.com');
is($code, 403, 'a preflight of a foreign page is refused');
unlike($head, qr/^Access-Control-Allow/m, 'and allows nothing');
($code, $body, $head) = api($t, 'OPTIONS', '/publish');
is($code, 204, 'OPTIONS without an origin');
like($head, qr/^Allow: POST, OPTIONS\r$/m, 'names the methods');

my $event = { type => 'e' };
($code, $body, $head) = publish($t, $event,
    headers => [ 'Origin: https://a.example.com' ]);
is($code, 200, 'a page of the list publishes');
is(() = $head =~ m!^Access-Control-Allow-Origin: https://a\.example\.com\r$!mg,
    1, 'and may read the answer');
($code, $body, $head) = publish($t, { type => 'x' },
    headers => [ 'Origin: https://a.example.com' ]);
is($code, 422, 'a wrong event of that page');
is(() = $head =~ /^Access-Control-Allow-Origin:/mg, 1, 'and that answer, too');

is((publish($t, $event, headers => [ 'Origin: https://evil.com' ]))[0], 403,
    'another page does not publish');
is((publish($t, $event, headers => [ 'Origin: null' ]))[0], 403,
    'nor does a page without an origin');
is((publish($t, $event, headers => [ 'Origin: https://a.example.com',
                                     'Origin: https://a.example.com' ]))[0],
    403, 'nor one with two');
is((publish($t, $event, path => '/publish/own',
            headers => [ 'Origin: http://localhost' ]))[0], 200,
    'a page of the server itself does');

($code, $body, $head) = publish($t, $event, path => '/publish/token',
    headers => [ 'Origin: https://a.example.com' ]);
is($code, 401, 'a page without a token');
like($head, qr/^Access-Control-Allow-Origin: https:\/\/a\.example\.com\r$/m,
    'is let see that');

($code, $body, $head) = publish($t, $event);
unlike($head, qr/^Access-Control/m, 'who is no page hears nothing of it');

($code, $body, $head) = preflight($t, '/health', 'https://a.example.com');
is($code, 204, 'a page may ask before it asks for the health');
like($head, qr/^Access-Control-Allow-Methods: GET, HEAD, OPTIONS\r$/m,
    'and is told how');
($code, $body, $head) = health($t,
    headers => [ 'Origin: https://a.example.com' ]);
is($code, 200, 'a page of the list asks for the health');
like($head, qr/^Access-Control-Allow-Origin: https:\/\/a\.example\.com\r$/m,
    'and may read it');
like($head, qr/^Vary: Origin\r$/m, 'which a cache may not mix up either');
($code, $body, $head) = health($t, headers => [ 'Origin: https://evil.com' ]);
is($code, 200, 'the health is told to any other');
unlike($head, qr/^Access-Control/m, 'whose page cannot read it');

###############################################################################

my $refused = () = $t->read_file('info.log')
    =~ /handshake refused: bad_origin, hub: "h"/g;
is($refused, 40, 'each refused handshake is logged once');

###############################################################################

# The status of a handshake, with the code of a refusal.
sub status {
    my ($t, $path, $origin, $host) = @_;
    my $ws = ws_connect($t, $path, origin => $origin,
                        host => $host // 'conductor.example');

    return join ' ', $ws->status() // $ws->error(),
        ($ws->body_json() || {})->{code} // ();
}


sub preflight {
    my ($t, $path, $origin) = @_;

    return api($t, 'OPTIONS', $path, headers => [ "Origin: $origin",
        'Access-Control-Request-Method: POST',
        'Access-Control-Request-Headers: authorization,content-type' ]);
}
