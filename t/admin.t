#!/usr/bin/perl

# The administrator's requests: paths, methods, bodies, who may, and what is
# answered.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(74);

my $secret = 'a secret of at least thirty-two bytes';

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h { zone 4m; name one; history size=256k; }

    conductor_hub bare {
        zone 2m;
        history size=64k;
        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_origins https://app.example.com;

        location /         { conductor h; conductor_auth off; }
        location /admin    { conductor_admin h; }
        location /slash/   { conductor_admin h; }
        location /bare     { conductor_admin bare; }
        location /health   { conductor_health h; }

        location /token {
            conductor_admin         h;
            conductor_jwt_key       HS256 "a secret of at least thirty-two bytes";
            conductor_require_role  admin;
        }
    }
}

EOF_CONF

$t->run();

my $later = (time() + 3600) * 1000;

###############################################################################

# Paths and methods.

for my $path ('', '/', '/x', '/drainx', '/drain/', '/drain/x', 'x/drain',
              '/connections/', '/events/', '/revocations/x')
{
    is(status($t, POST => "/admin$path"), 404, "there is no /admin$path");
}

my ($code, $said) = api($t, 'GET', '/admin/connection');
like($said->{error}, qr/only connections, connections\/ID/,
    'with what there is');

is(status($t, POST => '/slash/drain', '{"server":"x"}'), 404,
    'a location that ends with a slash');
like((api($t, 'POST', '/slash/drain', body => '{"server":"x"}'))[1]{error},
    qr/no such server/, 'is one, too');

for ([ PUT => '/drain', 'POST, DELETE, OPTIONS' ],
     [ GET => '/revocations', 'POST, OPTIONS' ],
     [ DELETE => '/notifications', 'POST, OPTIONS' ],
     [ POST => '/connections', 'GET, HEAD, OPTIONS' ],
     [ DELETE => '/events', 'GET, HEAD, OPTIONS' ],
     [ GET => '/connections/conn_x', 'DELETE, OPTIONS' ])
{
    my ($method, $path, $allow) = @$_;
    my ($code, undef, $head) = api($t, $method, "/admin$path");

    is($code, 405, "$method $path does nothing");
    like($head, qr/^Allow: $allow\r$/m, 'and says what does');
}

# Bodies.

($code, $said) = revoke($t, '{"user":');
is($code, 400, 'half an object');
ok($said->{error}, 'is told what is wrong');
is((revoke($t, '[]'))[0], 422, 'no object');
is((revoke($t, '"x"'))[0], 400, 'nor anything like it');
is((revoke($t, ''))[0], 422, 'nothing');
is((revoke($t, { user => 'a', jti => 'b', until => $later }))[0], 422,
    'two at once');
is((revoke($t, { until => $later }))[0], 422, 'nobody');
is((revoke($t, { user => 'a', until => $later, untli => 1 }))[0], 422,
    'a field that does not exist');

for my $until (undef, -1, 1, time(), "$later", 1.5, '9' x 18 . '0' x 3,
               \1, [ $later ])
{
    ($code, $said) = revoke($t, ref $until eq 'SCALAR' || !defined $until
        ? { user => 'a', until => $until }
        : $until =~ /^9{18}/ ? qq({"user":"a","until":$until})
        : { user => 'a', until => $until });

    is($code, $until && $until =~ /^9{18}/ ? 400 : 422,
        'a wrong "until": ' . ($until // 'null'));
}

is($said->{field}, 'until', 'which is named');

is((api($t, 'POST', '/admin/revocations', type => 'text/plain',
        body => '{}'))[0], 415, 'another type');
is((api($t, 'POST', '/admin/revocations', type => 'application/x-ndjson',
        body => '{}'))[0], 415, 'and NDJSON');
is((revoke($t, { user => 'a', until => $later }, type =>
        'application/json; charset=utf-8'))[0], 200, 'JSON with a parameter');

# Answers.

($code, $said) = revoke($t, { user => "\x{e9}\"", until => $later });
is($code, 200, 'a user is revoked');
is($said->{user}, "\x{e9}\"", 'by a name in quotes');
is($said->{until}, $later, 'until then');
ok($said->{issued} <= (time() + 1) * 1000, 'as of now');

($code, $said) = revoke($t, { jti => 'j1', until => $later, user => undef });
is_deeply([ $code, $said->{jti}, exists $said->{user} ], [ 200, 'j1', '' ],
    'a jti, and null is nobody');

is((revoke($t, { user => 'a', until => 0 }))[1]{until}, 0, 'which can be lifted');

($code, $said) = api($t, 'POST', '/admin/notifications',
    body => '{"level":"warning","message":"m"}');
is($code, 200, 'a notification');
like($said->{eventId}, qr/^\d+-1$/, 'has the id of its event');

for (['{"level":"info"}', 'message'], ['{"message":""}', 'message'],
     ['{"message":1}', 'message'], ['{"level":"","message":"m"}', 'level'],
     ['{"level":"' . 'x' x 33 . '","message":"m"}', 'level'],
     ['{"message":"m","role":""}', 'role'])
{
    my ($body, $field) = @$_;
    ($code, $said) = api($t, 'POST', '/admin/notifications', body => $body);
    is_deeply([ $code, $said->{field} ], [ 422, $field ],
        "a wrong notification: $body");
}

is((api($t, 'POST', '/admin/notifications',
    body => '{"message":"m","role":"a","user":"b"}'))[0], 422,
    'nor is one for a role and a user');
is((api($t, 'POST', '/admin/notifications',
    body => '{"message":"' . 'x' x 100_000 . '"}'))[0], 413,
    'one that is too large');
is((api($t, 'POST', '/bare/notifications', body => '{"message":"m"}'))[0],
    404, 'a hub without the channel has none');

is_deeply([ api($t, 'DELETE', '/admin/drain') ]->[1],
    { server => 'one', draining => JSON::PP::false, connections => 0 },
    'a server that does not drain');

# Who may.

is((api($t, 'DELETE', '/admin/connections/conn_AAAAAAAAAAAAAAAA'))[0], 404,
    'nobody is there');
is((api($t, 'DELETE', '/token/drain'))[0], 401, 'without a token');
is((api($t, 'DELETE', '/token/drain', token => token('user')))[0], 403,
    'with another role');
is((api($t, 'DELETE', '/token/drain', token => token('admin')))[0], 200,
    'with the right one');

is((api($t, 'DELETE', '/admin/drain',
        headers => [ 'Origin: https://evil.com' ]))[0], 403,
    'another page may not');
like((api($t, 'OPTIONS', '/token/drain',
          headers => [ 'Origin: https://app.example.com',
                       'Access-Control-Request-Method: DELETE' ]))[2],
    qr/^Access-Control-Allow-Methods: GET, HEAD, POST, DELETE, OPTIONS\r$/m,
    'an allowed one may ask');

# Where it may stand.

for my $where ('= /a', '~ ^/a', '@a') {
    my ($ok, $said) = nginx_t($t, <<"EOF_CONF");
%%TEST_GLOBALS%%
events { }
http {
    conductor_hub h { zone 2m; history size=64k; }
    server { location $where { conductor_admin h; } }
}
EOF_CONF

    ok(!$ok && $said =~ /"conductor_admin" directive needs a location that/,
        "not in location $where");
}

ok($t->find_in_file('error.log',
       qr/an administrator revoked user "\\xC3\\xA9\\x22"/),
    'the log says what was done');

###############################################################################

sub status {
    my ($t, $method, $path, $body) = @_;
    return (api($t, $method, $path, body => $body))[0];
}


sub revoke {
    my ($t, $body, %opt) = @_;

    $body = JSON::PP->new->utf8->encode($body) if ref $body;
    return api($t, 'POST', '/admin/revocations', body => $body, %opt);
}


sub token {
    return jwt({ sub => 'a', role => $_[0] }, key => $secret);
}
