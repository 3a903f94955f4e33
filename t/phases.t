#!/usr/bin/perl

# A conductor location among nginx's other modules: access, limits, rewrites,
# content, subrequests and redirects.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use MIME::Base64 qw/ encode_base64 /;

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()
    ->has(qw/ http proxy rewrite auth_request auth_basic access limit_req
              limit_conn mirror ssi map /))->plan(62);

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

    limit_req_zone  $binary_remote_addr zone=req:1m rate=1r/m;
    limit_req_zone  $arg_k zone=delay:1m rate=20r/s;
    limit_conn_zone $arg_k zone=conn:1m;

    map $request_uri $ask {
        /auth?user=ann  ann;
        /publish?user=x x;
    }

    log_format sub '$uri $status';

    conductor_auth       off;
    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;

        location / { conductor h; }

        # access

        location /auth {
            auth_request       /check;
            auth_request_set   $who $upstream_http_x_user;
            conductor_identity user=$who role=$upstream_http_none;
            conductor          h;
        }

        location = /check {
            internal;
            proxy_pass http://127.0.0.1:8081/check;
            proxy_set_header X-Ask $ask;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }

        location /auth-own {
            auth_request /own;
            conductor    h;
        }

        location = /own { conductor h; }

        location /basic {
            auth_basic           closed;
            auth_basic_user_file htpasswd;
            conductor_identity   user=$remote_user;
            conductor            h;
        }

        location /deny  { deny all; conductor h; }
        location /allow { allow 127.0.0.1; deny all; conductor h; }

        location /any {
            satisfy              any;
            deny                 all;
            auth_basic           closed;
            auth_basic_user_file htpasswd;
            conductor            h;
        }

        # limits

        location /req   { limit_req zone=req; conductor h; }
        location /delay { limit_req zone=delay burst=2; conductor h; }
        location /conn  { limit_conn conn 1; conductor h; }

        # others that answer, or watch

        location /return  { return 410; conductor h; }
        location /rewrite { rewrite ^ /there last; }
        location /loop    { rewrite ^/loop(.*) /$1 break; conductor h; }

        location /mirror {
            mirror    /copy;
            conductor h optional;
        }

        location = /copy {
            internal;
            access_log %%TESTDIR%%/copy.log sub;
            log_subrequest on;
            return 204;
        }

        location /headers {
            add_header X-Added yes always;
            expires    1h;
            conductor  h;
        }

        # content beside it

        location /files/ { conductor h optional; }
        location /index/ { conductor h optional; index a.html; }
        location /try/   { conductor h optional; try_files /a.html =404; }

        location /proxy/ {
            conductor  h optional;
            proxy_pass http://127.0.0.1:8081/;
        }

        location /only/ {
            conductor  h;
            proxy_pass http://127.0.0.1:8081/;
        }

        # within other requests

        location /ssi/ { ssi on; }

        location /error  { error_page 404 /there; root /nonexistent; }
        location /named  { error_page 404 = @named; root /nonexistent; }
        location @named  { conductor h; }
        location /inside { internal; conductor h; }
        location /outside { rewrite ^ /inside last; }
        location /accel  { proxy_pass http://127.0.0.1:8081/accel; }

        location /page {
            error_page 426 = @page;
            conductor  h;
        }

        location @page { return 200 page; }

        location /publish {
            auth_request /check;
            conductor_publish h;
        }
    }

    server {
        listen 127.0.0.1:8081;

        location /check {
            add_header X-User $http_x_ask;
            if ($http_x_ask) { return 204; }
            return 403;
        }

        location /accel { add_header X-Accel-Redirect /inside; return 204; }
        location /      { return 200 "backend $http_upgrade"; }
    }
}

EOF_CONF

my $d = $t->testdir();

mkdir "$d/$_" or die for qw/ files index try only ssi /;
$t->write_file('htpasswd', "ann:{PLAIN}secret\n");
$t->write_file('a.html', 'try');
$t->write_file('files/a.html', 'file');
$t->write_file('index/a.html', 'index');
$t->write_file('own', 'a file');
$t->write_file('ssi/a.html', '<!--#include virtual="/own" -->|'
                             . '<!--#include virtual="/files/a.html" -->');
$t->run();

# Access.

my $ws = ws_connect($t, '/auth?user=ann');

is($ws->recv_json()->{userId}, 'ann', 'auth_request says who it is');
is_deeply([ $ws->close(1000) ], [ 1000, '', 1 ], 'and is over with it');
is(status($t, '/auth'), 403, 'or refuses');
is(status($t, '/auth-own'), 500, 'a hub does not answer auth_request');

my $basic = 'Authorization: Basic ' . encode_base64('ann:secret', '');

is(ws_connect($t, '/basic', headers => [ $basic ])->recv_json()->{userId},
   'ann', 'auth_basic says who it is');
is(status($t, '/basic'), 401, 'or refuses');
is(status($t, '/basic', headers => [ 'Authorization: Basic YTpi' ]), 401,
   'a wrong password too');
is(status($t, '/deny'), 403, 'deny');
is(status($t, '/allow'), 101, 'allow');
is(status($t, '/allow', source => '127.0.0.2'), 403, 'allow of another');
is(status($t, '/any'), 401, 'satisfy any: neither');
is(status($t, '/any', headers => [ $basic ]), 101, 'satisfy any: one');

# Limits.

is(status($t, '/req'), 101, 'limit_req lets the first in');
is(status($t, '/req'), 503, 'and not the second');

my @delayed = map { ws_connect($t, '/delay?k=1', wait => 0,
                               body => frame(9, 'early')) } 1 .. 3;

is(scalar(grep { $_->handshake() && $_->recv_until('welcome') } @delayed), 3,
   'limit_req with a delay lets in later');
is(scalar(grep { $_->sync() && $_->pongs()->[0] eq 'early' } @delayed), 3,
   'with what they sent meanwhile');

my @conn = map { my $ws = ws_connect($t, '/conn?k=1');
                 $ws->recv_until('welcome'); $ws } 1 .. 3;

is(join(' ', map { $_->status() } @conn), '101 101 101',
   'limit_conn ends with the handshake');

# Rewrites.

is(status($t, '/return'), 410, 'return comes first');
is(status($t, '/rewrite'), 101, 'rewrite to a hub');
is(status($t, '/loop/x'), 101, 'rewrite within its location');

$ws = ws_connect($t, '/headers');
is($ws->header('X-Added'), 'yes', 'a header can be added');
is($ws->recv_json()->{type}, 'welcome', 'to a handshake that works');

# A mirror sees plain requests.

like(http_get('/mirror'), qr/ 40[34] /, 'a plain request to what is mirrored');
ok(wait_for(sub { -s "$d/copy.log" }), 'is mirrored');
$ws = ws_connect($t, '/mirror');
is($ws->recv_json()->{type}, 'welcome', 'a handshake works beside a mirror');
is_deeply([ $ws->close(1000) ], [ 1000, '', 1 ], 'and ends');

# Content.

like(http_get('/files/a.html'), qr/ 200 .*file$/s, 'optional: files');
like(http_get('/files/none'), qr/ 404 /, 'none');
like(http_get('/index/'), qr/ 200 .*index$/s, 'index');
like(http_get('/try/x'), qr/ 200 .*try$/s, 'try_files');
like(http_get('/proxy/x'), qr/ 200 .*backend $/s, 'proxy_pass');
is((api($t, 'POST', '/proxy/x', body => '{}'))[1], 'backend ',
   'of other methods, too');

for my $path (qw! /files/a.html /index/ /try/x /proxy/x !) {
    is(status($t, $path), 101, "but WebSocket is ours: $path");
}

is(status($t, '/proxy/x', version => 8), 426,
   'and so is a wrong version of it');
is(status($t, '/proxy/x', upgrade => 'h2c'), 200,
   'another protocol is not');
is(status($t, '/proxy/x', upgrade => 'h2c, WebSocket'), 101,
   'unless it is one of several');
is(status($t, '/only/x'), 101, 'a hub before proxy_pass');
like(http_get('/only/x'), qr/ 426 /, 'which is never reached');
like(http_get('/only/x'), qr/"code":"no_upgrade"/, 'for a reason');

my $old = "GET %s HTTP/1.0\x0d\x0aHost: localhost\x0d\x0a"
          . "Upgrade: websocket\x0d\x0aConnection: upgrade\x0d\x0a"
          . "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\x0d\x0a"
          . "Sec-WebSocket-Version: 13\x0d\x0a\x0d\x0a";

like(http(sprintf $old, '/'), qr/ 400 .*bad_http_version/s,
     'HTTP/1.0 is refused');
like(http(sprintf $old, '/files/a.html'), qr/ 200 .*file$/s,
     'or falls through');
like(http("GET /\x0d\x0a"), qr/no_upgrade|426|400/, 'HTTP/0.9 is refused');

# Within other requests.

my $ssi = http_get('/ssi/a.html');
unlike($ssi, qr/a file/, 'a hub within a page is no file');
like($ssi, qr/\|file$/, 'an optional one is');

is(status($t, '/error'), 101, 'error_page to a hub');
is(status($t, '/named'), 101, 'to a named one');
is(status($t, '/inside'), 404, 'an internal hub');
is(status($t, '/outside'), 101, 'is reached from inside');

$ws = ws_connect($t, '/accel', body => frame(9, 'early'));
is($ws->recv_json()->{type}, 'welcome', 'X-Accel-Redirect to a hub');
ok($ws->sync(), 'which lives');
is($ws->pongs()->[0], 'early', 'and has what was sent early');
is_deeply([ $ws->close(1000) ], [ 1000, '', 1 ], 'until it is closed');

like(http_get('/page'), qr/ 426 /, 'a refusal says why, not an error_page');

# Keep-alive: another request came first on the connection.

$ws = ws_connect($t, '/', raw_request => "GET /files/a.html HTTP/1.1\x0d\x0a"
                                         . "Host: localhost\x0d\x0a\x0d\x0a");
is($ws->status(), 200, 'a plain request');
$ws->send_raw($ws->request('/', body => frame(9, 'early')));
ok($ws->handshake(), 'and a handshake behind it');
is($ws->recv_json()->{type}, 'welcome', 'which is welcome');

# The others' ways to publish.

is((publish($t, { type => 'e', n => 1 }))[0], 403, 'a publisher is asked, too');
is((publish($t, { type => 'e', n => 2 }, path => '/publish?user=x'))[0], 200,
   'and let in');
is($ws->recv_until('e')->{n}, 2, 'an event that was allowed comes');


# The status of the answer to a handshake.
sub status {
    my ($t, $path, %opt) = @_;
    return ws_connect($t, $path, %opt)->status();
}
