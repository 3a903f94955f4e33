#!/usr/bin/perl

# Identity from others (auth_request, auth_basic), claims, roles, variables.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use MIME::Base64 qw/ encode_base64 /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()
    ->has(qw/ http auth_basic auth_request limit_req map proxy rewrite /))
    ->plan(73);

$t->write_file_expand('nginx.conf', conductor_conf(<<'CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    log_format  who  '$uri|$status|$conductor_user|$conductor_role|'
                     '$conductor_connection|$conductor_status';
    access_log  %%TESTDIR%%/who.log  who;

    limit_req_zone  $conductor_user  zone=user:1m  rate=1r/m;
    limit_req_zone  $conductor_user  zone=any:1m   rate=1000r/s;

    conductor_hub h {
        zone 4m;
        history events=1000 size=256k;
        channel c { default on; }
        event e { channel c; publish_roles editor; }
    }

    server {
        listen       127.0.0.1:8080;
        server_name  localhost;

        conductor_limit_conn off;
        conductor_jwt_key HS256 'the secret of the server is long enough';

        location = /verify {
            internal;
            conductor_auth off;
            proxy_pass http://127.0.0.1:8081;
        }

        location /request {
            auth_request /verify;
            auth_request_set $user $upstream_http_x_user;
            auth_request_set $role $upstream_http_x_role;
            conductor h;
            conductor_identity user=$user role=$role;
        }

        location /request/expires {
            auth_request /verify;
            auth_request_set $user $upstream_http_x_user;
            auth_request_set $expires $upstream_http_x_expires;
            conductor h;
            conductor_identity user=$user expires=$expires;
        }

        location /request/early {
            limit_req zone=any;
            set $early $conductor_user;
            auth_request /verify;
            auth_request_set $user $upstream_http_x_user;
            conductor h;
            conductor_identity user=$user;
        }

        location /request/publish {
            auth_request /verify;
            auth_request_set $user $upstream_http_x_user;
            auth_request_set $role $upstream_http_x_role;
            conductor_publish h;
            conductor_identity user=$user role=$role;
            conductor_require_role editor;
        }

        location /basic {
            auth_basic "x";
            auth_basic_user_file %%TESTDIR%%/htpasswd;
            conductor h;
            conductor_identity user=$remote_user role=basic;
        }

        location /header {
            conductor h;
            conductor_identity user=$http_x_user role=$http_x_role;
        }

        location /open { conductor h; conductor_auth off; }
        location /jwt { conductor h; }
        location /role { conductor h; conductor_require_role editor admin; }

        location /claims {
            conductor h;
            conductor_jwt_claims user=profile.mail role=realm_access.roles;
        }
        location /claims/dotted {
            conductor h;
            conductor_jwt_claims role=https://example.com/roles;
        }

        location /optional {
            conductor h optional;
            proxy_set_header X-User $conductor_user;
            proxy_set_header X-Role $conductor_role;
            proxy_set_header Authorization "";
            proxy_pass http://127.0.0.1:8081;
        }

        location /limited { conductor h; limit_req zone=user; }

        location /named { try_files /none @named; }
        location @named { conductor h; }
        location /rewritten {
            conductor_auth off;
            set $x $conductor_user;
            rewrite ^ /jwt last;
        }
        location /index/ { conductor_auth off; index /jwt; }
        location /page { error_page 404 = /jwt; return 404; }
        location /page/kept { error_page 404 /jwt; return 404; }
        location /if { conductor h; if ($arg_x) { set $x 1; } }
        location /if/publish {
            conductor_publish h;
            if ($arg_x) { set $x 1; }
        }
        location /except {
            conductor_publish h;
            limit_except POST { deny all; }
        }
        location /except/conductor {
            conductor h;
            limit_except GET { deny all; }
        }
    }

    server {
        listen 127.0.0.1:8081;
        location /verify {
            add_header X-User $http_test_user;
            add_header X-Role $http_test_role;
            add_header X-Expires $http_test_expires;
            if ($http_test_deny) { return 403; }
            return 204;
        }
        location / { return 200 "user=$http_x_user role=$http_x_role"; }
    }
}

CONF

$t->write_file('htpasswd', "bob:{PLAIN}secret\n");
$t->run();

my %secret = (key => 'the secret of the server is long enough');

###############################################################################

# what another module has verified

is_deeply(who($t, '/request', [ 'Test-User: ann', 'Test-Role: editor' ]),
    [ 'ann', 'editor' ], 'user and role come from auth_request');
is_deeply(who($t, '/request', [ 'Test-User: ann' ]), [ 'ann', undef ],
    'a role may be missing');
is(refusal($t, '/request', [ 'Test-Role: editor' ]), '401 bad_token',
    'without a user there is no identity');
is(refusal($t, '/request', [ 'Test-User: ann', 'Test-Deny: 1' ]), '403 -',
    'auth_request refuses first');
is_deeply(who($t, '/request/early', [ 'Test-User: ann' ]), [ 'ann', undef ],
    'a variable that is asked too early does not hide the user');

my $soon = time() + 3600;
is_deeply(who($t, '/request/expires',
              [ 'Test-User: ann', "Test-Expires: $soon" ]), [ 'ann', undef ],
    'an identity with an expiry');
is(refusal($t, '/request/expires', [ 'Test-User: ann',
                                     'Test-Expires: ' . time() ]),
    '401 token_expired', 'an expired identity is refused');
is(refusal($t, '/request/expires', [ 'Test-User: ann' ]), '401 bad_token',
    'so is one whose expiry is missing');
is(refusal($t, '/request/expires', [ 'Test-User: ann', "Test-Expires: $_" ]),
    '401 bad_token', "and one that expires at '$_'")
    for qw/ never -1 1e9 99999999999999999999 /;

my $ws = ws_connect($t, '/request/expires', headers => [ 'Test-User: ann',
    'Test-Expires: ' . (time() + 2) ]);
is(($ws->expect_close())[0], 4401, 'when it expires, the connection is closed');

is_deeply(who($t, '/basic', [ basic('bob', 'secret') ]), [ 'bob', 'basic' ],
    'the user of auth_basic');
is(refusal($t, '/basic', [ basic('bob', 'wrong') ]), '401 -',
    'auth_basic refuses a wrong password');
is(refusal($t, '/basic', []), '401 -', 'and none');

is_deeply(who($t, '/header', [ "X-User: \xc5\xbe" ]), [ "\x{17e}", undef ],
    'a user in any script');
is(refusal($t, '/header', [ 'X-User: ' . $_ ]), '401 bad_token',
    'refused as a user: '
    . (length > 9 ? 'too long' : 'bytes ' . unpack 'H*', $_))
    for 'u' x 256, "\xff", "a\x7f", "\xed\xa0\x80", "a\x01";
is(refusal($t, '/header', [ 'X-User: a', 'X-Role: ' . 'r' x 256 ]),
    '401 bad_token', 'a role that is too long refuses the user');
is(refusal($t, '/header', [ 'X-Role: admin' ], token => token()),
    '401 bad_token', 'a token does not stand in for a user');

is_deeply(who($t, '/open', [ 'X-User: ann' ]), [ undef, undef ],
    'without identity the user is null');
is_deeply(who($t, '/open', [], token => 'rubbish'), [ undef, undef ],
    'and a token is not looked at');

###############################################################################

# claims and roles

is_deeply(who($t, '/jwt', [], token => token(role => [ 'a', '', 'b' ])),
    [ 'ann', 'a,b' ], 'a list of roles is joined');
is_deeply(who($t, '/claims', [], token => token(
              profile => { mail => 'ann@x' },
              realm_access => { roles => [ 'x', 'y' ] })), [ 'ann@x', 'x,y' ],
    'claims inside of objects');
is_deeply(who($t, '/claims', [], token => token(
              'profile.mail' => 'dotted', profile => { mail => 'nested' })),
    [ 'dotted', undef ], 'a claim with the very name goes first');
is(refusal($t, '/claims', [], token => token()), '401 bad_token',
    'without the claim of the user there is none, "sub" or not');
is(refusal($t, '/claims', [], token => token(profile => 'x')),
    '401 bad_token', 'nor is a string an object');
is_deeply(who($t, '/claims/dotted', [], token => token(
              'https://example.com/roles' => 'z')), [ 'ann', 'z' ],
    'a claim whose name is a URI');

is_deeply(who($t, '/role', [], token => token(role => 'editor')),
    [ 'ann', 'editor' ], 'a role that is asked for');
is_deeply(who($t, '/role', [], token => token(role => [ 'x', 'admin' ])),
    [ 'ann', 'x,admin' ], 'one of several roles is enough');
is(refusal($t, '/role', [], token => token(role => $_)), '403 bad_role',
    'refused as a role: ' . (ref ? join ' ', 'a list', @$_ : "'$_'"))
    for '', 'edit', 'editors', 'Admin', 'editor admin', [], [ 'x', 'y' ];
is(refusal($t, '/role', [], token => token()), '403 bad_role',
    'no role is not enough');
is(refusal($t, '/role', []), '401 bad_token', 'who is nobody is asked first');

###############################################################################

# publishing

my @event = ({ type => 'e' }, path => '/request/publish');
is(code(publish($t, @event, headers => [ 'Test-User: a',
                                         'Test-Role: editor' ])), 200,
    'one whom auth_request lets in may publish');
is(code(publish($t, @event, headers => [ 'Test-User: a' ])), 403,
    'not without the role');
is(code(publish($t, @event)), 401, 'nor without a user');
is(code(publish($t, @event, headers => [ 'Test-Deny: 1' ])), 403,
    'and auth_request itself goes first');

###############################################################################

# other ways into a location

is_deeply(who($t, $_, [], token => token()), [ 'ann', undef ],
    "the user at $_") for qw! /named /rewritten /index/ /page /if?x=1 !;
is(refusal($t, $_, []), '401 bad_token', "and nobody at $_")
    for qw! /named /rewritten /index/ /page /if?x=1 !;
is_deeply(who($t, '/page/kept', [], token => token()), [ 'ann', undef ],
    'the status of an error does not stand in for the 101');

is(code(publish($t, { type => 'e' }, path => '/if/publish?x=1')), 401,
    'publishing asks for a token, with an "if" inside');
is(code(publish($t, { type => 'e' }, path => '/if/publish?x=1',
                token => token(role => 'editor'))), 200, 'and takes it');
is(code(publish($t, { type => 'e' }, path => '/except',
                token => token(role => 'editor'))), 200, 'publishing beside limit_except');
is(code(api($t, 'GET', '/except', token => token())), 403,
    'and what that forbids');
is_deeply(who($t, '/except/conductor', [], token => token()),
    [ 'ann', undef ], 'a WebSocket beside limit_except');

###############################################################################

# variables

my @token = (token => token(role => 'editor'));

is((api($t, 'GET', '/optional', @token))[1], 'user=ann role=editor',
    'a proxied request carries user and role');
is((api($t, 'GET', '/optional', token => 'rubbish'))[1], 'user= role=',
    'neither, if the token is bad');
is_deeply(who($t, '/optional', [], @token), [ 'ann', 'editor' ],
    'the same location takes WebSockets');

my $eve = token(sub => 'eve');
is_deeply(who($t, '/limited', [], token => $eve), [ 'eve', undef ],
    'the first request of a user');
is(ws_connect($t, '/limited', token => $eve)->status(), 503,
    'limit_req counts by user: the second of the same');
is_deeply(who($t, '/limited', [], @token), [ 'ann', 'editor' ],
    'not that of another');

wait_for(sub { $t->read_file('who.log') =~ m!/limited\|101\|ann! });
my @log = split /\n/, $t->read_file('who.log');

like((grep { m!^/role\|101! } @log)[0],
    qr/^\/role\|101\|ann\|editor\|conn_[\w-]+\|connected$/,
    'the access log knows user, role, connection and outcome');
is((grep { m!^/role\|403! } @log)[0], '/role|403|ann|-|-|bad_role',
    'of a refused role');
is((grep { m!^/jwt\|401\|! } @log)[0], '/jwt|401|-|-|-|bad_token',
    'of a refused token');
is((grep { m!^/request/early\|101! } @log)[0] =~ s/conn_[\w-]+/C/r,
    '/request/early|101|ann|-|C|connected',
    'of a user who was not known at first');

###############################################################################

# A token of ann with more claims.
sub token {
    my (%claims) = @_;
    return jwt({ sub => 'ann', %claims }, %secret);
}


sub basic {
    my ($user, $password) = @_;
    return 'Authorization: Basic ' . encode_base64("$user:$password", '');
}


# [ userId, role ] of the welcome, or the status.
sub who {
    my ($t, $path, $headers, %opt) = @_;
    my $ws = ws_connect($t, $path, headers => $headers, %opt);

    return [ 'status', $ws->status() // $ws->error() ] unless $ws->is_open();

    my $welcome = $ws->recv_until('welcome');
    return [ @$welcome{qw/ userId role /} ];
}


# "STATUS CODE" of a refused handshake.
sub refusal {
    my ($t, $path, $headers, %opt) = @_;
    my $ws = ws_connect($t, $path, headers => $headers, %opt);

    return ($ws->status() // $ws->error()) . ' '
           . (($ws->body_json() || {})->{code} // '-');
}


sub code {
    return $_[0];
}
