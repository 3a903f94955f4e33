#!/usr/bin/perl

# Where a token may stand, which one counts, and that it stays secret.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http map /))->plan(63);

$t->write_file_expand('nginx.conf', conductor_conf(<<'CONF'));

%%TEST_GLOBALS%%

error_log %%TESTDIR%%/info.log info;

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    access_log off;

    conductor_hub h {
        zone 4m;
        history events=1000 size=256k;
        channel c { default on; }
        event e { channel c; publish_roles editor; }
    }

    server {
        listen 127.0.0.1:8080;
        conductor_limit_conn off;
        conductor_jwt_key HS256 'the secret, which is 32 octets or longer';

        location /plain { conductor h; }
        location /arg { conductor h; conductor_token $arg_token; }

        location /all {
            conductor h;
            conductor_token $arg_token $arg_t2 $cookie_token $http_x_token;
            conductor_origins https://app.example.com;
        }

        location /cookie {
            conductor h;
            conductor_token $cookie_token;
            conductor_origins https://app.example.com;
        }
        location /cookie/upper { conductor h; conductor_token $COOKIE_token; }
        location /cookie/brace { conductor h; conductor_token ${cookie_token}; }

        location /publish {
            conductor_publish h;
            conductor_token $cookie_token $arg_token;
            conductor_origins https://app.example.com;
        }
    }
}

CONF

$t->run();

my %token = map { $_ => jwt({ sub => $_, role => 'editor' },
    key => 'the secret, which is 32 octets or longer') } qw/ a b c d e /;
my $bad = jwt({ sub => 'x' }, key => 'not the secret, but 32 octets or more');
my $app = 'https://app.example.com';

###############################################################################

# the header

for my $value ("Bearer $token{a}", "bearer $token{a}", "BEARER   $token{a}",
               "Bearer $token{a}   ")
{
    is(user($t, '/plain', headers => [ "Authorization: $value" ]), 'a',
        'taken: ' . short($value));
}

is(user($t, '/plain', headers => [ "Authorization: $_" ]), 'no token',
    'not a token at all: ' . short($_))
    for '', 'Bearer', 'Basic YTpi', "Bearer$token{a}", $token{a},
        "Token $token{a}";
is(user($t, '/plain', headers => [ "Authorization: $_" ]), 'malformed token',
    'no good token: ' . short($_))
    for "Bearer $token{a} $token{b}", "Bearer $token{a},",
        "Bearer \"$token{a}\"";
is(ws_connect($t, '/plain', headers => [ map { "Authorization: Bearer $_" }
              qw/ a.b.c d.e.f / ])->status(), 400,
    'two headers are an error');

###############################################################################

# the subprotocol

my $ws = ws_connect($t, '/plain',
    protocols => [ 'conductor.v1', "bearer.$token{b}" ]);
is($ws->header('Sec-WebSocket-Protocol'), 'conductor.v1',
    'a token beside the protocol: the answer names the protocol only');
is($ws->recv_until('welcome')->{userId}, 'b', 'and the token counts');

is(user($t, '/plain', protocols => [ "bearer.$token{b}", 'conductor.v1' ]),
    'b', 'in the other order');
is(user($t, '/plain', headers => [
    'Sec-WebSocket-Protocol: conductor.v1',
    "Sec-WebSocket-Protocol: bearer.$token{b}" ]), 'b', 'on two lines');
is(user($t, '/plain', headers => [
    "sec-websocket-protocol:x ,\tbearer.$token{b}\t, conductor.v1" ]), 'b',
    'with white space and another protocol');

$ws = ws_connect($t, '/plain', protocols => "bearer.$token{b}");
is($ws->header('Sec-WebSocket-Protocol'), undef,
    'a token alone: no protocol is agreed on');
is($ws->recv_until('welcome')->{userId}, 'b', 'but the token counts');

is(user($t, '/plain', protocols => [ 'conductor.v1', "bearer.$bad" ]),
    'bad signature', 'a wrong token there is refused');
is(user($t, '/plain', protocols => [ 'conductor.v1', "Bearer.$token{b}" ]),
    'no token', 'another case is another protocol');
is(user($t, '/plain', protocols => [ 'conductor.v1', $token{b} ]),
    'no token', 'so is a token without the prefix');

for my $list ('', ',', 'conductor.v1,,x', 'conductor.v1, bearer.',
              "bearer.$token{a}, bearer.$token{b}", 'conductor.v1, a b',
              "conductor.v1, bearer.$token{a}=\"x\"", "a\"b",
              "conductor.v1 bearer.$token{a}",
              'conductor.v1, conductor.v1', join(', ', 1 .. 200))
{
    $ws = ws_connect($t, '/plain', token => $token{a},
        headers => [ "Sec-WebSocket-Protocol: $list" ]);
    is($ws->status() . ' ' . $ws->body_json()->{code}, '400 bad_subprotocol',
        'a malformed list: ' . short("'$list'"));
}

###############################################################################

# the query, cookies, and the order

is(user($t, "/arg?token=$token{c}"), 'c', 'a token in the query');
is(user($t, "/arg?x=1&TOKEN=$token{c}&y"), 'c', 'among other arguments');
is(user($t, '/plain?token=a.b.c'), 'no token',
    'is not looked at where it is not asked for');
is(user($t, '/arg?token='), 'no token', 'an empty argument is no token');
is(user($t, '/arg?token=%20'), 'malformed token', 'a space is a bad one');
is(user($t, "/arg?token=$token{c}&token=$bad"), 'c', 'the first of two');

my %all = (headers => [ "Cookie: token=$token{d}", "X-Token: $token{e}" ],
           origin => $app);

is(user($t, "/all?token=$token{c}", %all, token => $token{a},
        protocols => "bearer.$token{b}"), 'a', 'the header goes first');
is(user($t, "/all?token=$token{c}", %all,
        protocols => "bearer.$token{b}"), 'b', 'then the subprotocol');
is(user($t, "/all?token=$token{c}&t2=$token{e}", %all), 'c',
    'then what is named first');
is(user($t, "/all?t2=$token{e}", %all), 'e', 'then what is named second');
is(user($t, '/all', %all), 'd', 'then the cookie');
is(user($t, '/all', headers => [ "X-Token: $token{e}" ]), 'e', 'the last');
is(user($t, '/all'), 'no token', 'nothing');
is(user($t, "/all?token=$token{c}", token => $bad), 'bad signature',
    'a bad token in the first place is not made good by another');
is(user($t, "/all?token=$token{c}", protocols => "bearer.$bad"),
    'bad signature', 'nor one in the second');
is(user($t, "/all?token=rubbish", %all), 'malformed token',
    'nor one in the third');

my @cookie = (headers => [ "Cookie: a=b; token=$token{d}" ]);

is(user($t, '/cookie', @cookie, origin => $app), 'd',
    'a cookie and an allowed origin');
is(user($t, '/cookie', @cookie, origin => 'http://localhost'), 'd',
    'a cookie and the own origin');
is(code($t, $_, @cookie), '403 bad_origin', "a cookie without an origin: $_")
    for '/cookie', '/cookie/upper', '/cookie/brace', '/all';
is(code($t, '/cookie', @cookie, origin => 'https://evil.example.com'),
    '403 bad_origin', 'a cookie and a foreign origin');
is(user($t, '/cookie', @cookie, token => $token{a}), 'a',
    'a cookie beside a header needs none');

my @event = ({ type => 'e' });

is((publish($t, @event, @cookie))[0], 403,
    'publishing by cookie needs an origin');
is((publish($t, @event, headers => [ "Cookie: token=$token{d}",
                                     "Origin: $app" ]))[0], 200,
    'with an allowed one it is done');
is((publish($t, @event, path => "/publish?token=$bad"))[0], 401,
    'publishing with a wrong token in the query');

###############################################################################

my $log = $t->read_file('info.log');
is_deeply([ grep { index($log, $_) >= 0 } values %token, $bad ], [],
    'no token is in the log');

###############################################################################

# The user of a welcome, or the reason of a refusal.
sub user {
    my ($t, $path, %opt) = @_;
    my $ws = ws_connect($t, $path, %opt);

    return $ws->recv_until('welcome')->{userId} if $ws->is_open();

    my $challenge = $ws->header('WWW-Authenticate')
        or return 'status ' . ($ws->status() // $ws->error());

    return $1 if $challenge =~ /error_description="([^"]*)"/;
    return 'no token';
}


# "STATUS CODE" of a refused handshake.
sub code {
    my ($t, $path, %opt) = @_;
    my $ws = ws_connect($t, $path, %opt);

    return ($ws->status() // $ws->error()) . ' '
           . (($ws->body_json() || {})->{code} // '-');
}


# A text for the name of a test.
sub short {
    my ($text) = @_;
    $text =~ s/eyJ[\w.-]*/TOKEN/g;
    return length $text > 40 ? substr($text, 0, 40) . '...' : $text;
}
