#!/usr/bin/perl

# Directives pass from http to server to location, each by itself.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my %key = map { $_ => $_ x 32 } qw/ a b c /;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(42);

$t->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_jwt_key    HS256 $key{a};
    conductor_limit_conn 100;
    conductor_origins    https://top.example;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor h;
        }

        location /off {
            conductor      h;
            conductor_auth off;
        }
    }

    server {
        listen 127.0.0.1:8081;

        conductor_jwt_require    iss=top;
        conductor_jwt_claims     user=name;
        conductor_limit_messages 5 per=7s bytes=1k;
        conductor_max_message    1k;
        conductor_max_queue      2k;
        conductor_ping           11s;
        conductor_require_role   top;
        conductor_compress       on;
        conductor_refuse         close;

        location / {
            conductor h;
        }

        location /own {
            conductor                h;
            conductor_jwt_key        HS256 $key{b};
            conductor_limit_messages off;
            conductor_max_message    3k;
            conductor_origins        https://own.example;
            conductor_require_role   own;
            conductor_compress       off;
            conductor_refuse         http;
        }

        location /outer {
            conductor             h;
            conductor_max_queue   5k;
            conductor_jwt_require exp=off;
            conductor_jwt_claims  role=rank;

            location /outer/inner {
                conductor      h;
                conductor_ping off;
            }

            location /outer/none {
                conductor_jwt_key HS256 $key{c};
            }
        }
    }

    server {
        listen 127.0.0.1:8082;

        conductor_jwt_key  HS256 $key{c};
        conductor_protocol echo;

        location / {
            conductor            h;
            conductor_limit_conn 1;
        }

        location /native {
            conductor          h;
            conductor_protocol native;
        }
    }

    server {
        listen 127.0.0.1:8083;

        conductor_identity         user=\$arg_u;
        conductor_limit_conn       off;
        conductor_limit_user       1;
        conductor_limit_handshakes 2 per=1h key=\$arg_k;
        conductor_limit_dry_run    on;

        location / {
            conductor h;
        }

        location /wet {
            conductor               h;
            conductor_limit_dry_run off;

            location /wet/own {
                conductor                  h;
                conductor_limit_user       off;
                conductor_limit_handshakes 1 per=1h;
            }

            location /wet/off {
                conductor                  h;
                conductor_limit_user       2;
                conductor_limit_handshakes off;
            }
        }
    }

    conductor_hub h {
        zone    2m;
        history size=64k;
        channel c { default on; }
        event   e { channel c; }
    }
}

EOF_CONF

$t->write_file('none', 'a file');
$t->run();

# What is said nowhere has its default.

my $ws = client(8080, '/', a => {});
my $welcome = $ws->recv_until('welcome');

is_deeply($welcome->{limits}, { messages => 100, per => 60000,
                                maxMessage => 65536, maxQueue => 1048576 },
          'the limits by default') or diag(explain($welcome));
is($welcome->{pingMs}, 25000, 'a ping every 25 seconds by default');
is($welcome->{userId}, 'ann', 'the user is "sub" by default');
is($welcome->{role}, 'top', 'the role is "role" by default');
is(client(8080, '/', a => {}, extensions => 'permessage-deflate')
   ->header('Sec-WebSocket-Extensions'), undef, 'no compression by default');
is(client(8080, '/', b => {})->status(), 401, 'refused over HTTP by default');
is(client(8080, '/', a => {}, origin => 'https://top.example')->status(), 101,
   'an origin of the http level');
is(client(8080, '/', a => {}, origin => 'https://own.example')->status(), 403,
   'and no other');
is(ws_connect($t, '/off')->status(), 101, 'auth off in place of a key');

# From the server.

my %top = (iss => 'top', name => 'bob');

$ws = client(8081, '/', a => { %top }, extensions => 'permessage-deflate');
$welcome = $ws->recv_until('welcome');

is_deeply($welcome->{limits}, { messages => 5, per => 7000, bytes => 1024,
                                maxMessage => 1024, maxQueue => 2048 },
          'the limits of the server') or diag(explain($welcome));
is($welcome->{pingMs}, 11000, 'its ping');
is($welcome->{userId}, 'bob', 'its claim of the user');
like($ws->header('Sec-WebSocket-Extensions'), qr/permessage-deflate/,
     'its compression');
is((client(8081, '/', a => {}, origin => 'https://top.example')
    ->expect_close())[0], 4401, 'its issuer, and a close as refusal');
is((client(8081, '/', a => { %top, role => 'x' },
           origin => 'https://top.example')->expect_close())[0], 4503,
   'its role');

# A location's own are in place of them.

$ws = client(8081, '/own', b => { %top, role => 'own' },
             extensions => 'permessage-deflate');
$welcome = $ws->recv_until('welcome');

is($welcome->{limits}{messages}, undef, 'a limit switched off');
is($welcome->{limits}{maxMessage}, 3072, 'a limit of its own');
is($welcome->{limits}{maxQueue}, 2048, 'beside one of the server');
is($ws->header('Sec-WebSocket-Extensions'), undef, 'its compression is off');
is(client(8081, '/own', a => { %top, role => 'own' })->status(), 401,
   'its key is in place of the one above');
is(client(8081, '/own', b => { %top, role => 'top' })->status(), 403,
   'its role too');
is(client(8081, '/own', b => { %top, role => 'own' },
          origin => 'https://top.example')->status(), 403,
   'its origins too');
is(client(8081, '/own', b => { %top, role => 'own' },
          origin => 'https://own.example')->status(), 101,
   'which it allows');

# Of a location within a location.

my %outer = (exp => undef, rank => 'top', role => 'none');

$ws = client(8081, '/outer', a => { %outer });
$welcome = $ws->recv_until('welcome');

is($welcome->{userId}, 'ann', 'claims are inherited together or not at all');
is($welcome->{role}, 'top', 'the role is of its own claim');
is($welcome->{limits}{maxQueue}, 5120, 'with a queue of its own');

$ws = client(8081, '/outer/inner', a => { %outer });
$welcome = $ws->recv_until('welcome');

is($welcome->{limits}{maxQueue}, 5120, 'the inner one has the outer queue');
is($welcome->{limits}{messages}, 5, 'and the messages of the server');
is($welcome->{pingMs}, 0, 'but no ping');

like(http_get('/none'), qr/ 426 /, 'all of a server speaks WebSocket');
like(http("GET /outer/none HTTP/1.0\n\n",
          PeerAddr => '127.0.0.1:' . port(8081)), qr/ 404 /,
     'but "conductor" itself is not inherited');

# Another server.

my %other = (source => '127.0.0.9');

$ws = client(8082, '/', c => {}, %other);
$ws->send_text('same');
is($ws->recv_text(), 'same', 'the protocol of a server');
is(client(8082, '/', c => {}, %other)->status(), 429,
   'the limit of a location');
is(client(8082, '/native', c => {})->recv_json()->{type}, 'welcome',
   'the protocol of a location');

# Limits, each with its options.

is(codes('/wet?u=ann&k=1', '/wet?u=ann&k=1', '/wet?u=ann&k=1'),
   '101 user_limit handshake_limit', 'the limits of a server');
is(codes('/wet?u=bob', '/wet?u=cat', '/wet?u=dan'), '101 101 101',
   'with the key of one');
is(codes('/?u=ann&k=1', '/?u=ann&k=1', '/?u=ann&k=1'), '101 101 101',
   'its dry run');
is(codes('/wet/own?u=eve&k=2'), '101', 'a limit of its own');
is(codes('/wet/own?u=eve&k=3'), 'handshake_limit',
   'has none of the options above');
is(codes(('/wet/off?u=fay&k=4') x 3), '101 101 user_limit',
   'a limit switched off, one of another number');
is(codes(('/wet/own?u=gil') x 2), 'handshake_limit handshake_limit',
   'neither is in force elsewhere');

is_deeply([ $ws->faults() ], [], 'no fault of the server was seen');


# What clients of paths get: 101, or the code of a refusal.
sub codes {
    my @ws = map { ws_connect(port(8083), $_) } @_;
    return join ' ', map { $_->is_open() ? 101 : $_->body_json()->{code} } @ws;
}


# A client of a port and path, with a token signed by one of the keys.
sub client {
    my ($port, $path, $by, $claims, %opt) = @_;

    return ws_connect(port($port), $path, %opt,
        token => jwt({ sub => 'ann', role => 'top', %$claims },
                     key => $key{$by}));
}
