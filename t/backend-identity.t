#!/usr/bin/perl

# Who a client is, as a back end has it: beside its token, and over new ones.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Backend;
use Test::JWT;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /))->plan(17);
my $secret = 'the secret, which is 32 octets or longer';

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        history  events=1000 size=1m;

        channel c { default on; }
        event e { channel c; publish_roles admin; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_jwt_key HS256 'the secret, which is 32 octets or longer';
        conductor_limit_conn off;

        location /       { conductor h; conductor_backend /back message; }
        location /guest/ { conductor h; conductor_backend /guest connect; }
        location /bob/   { conductor h; conductor_backend /bob connect; }

        location = /back  { proxy_pass http://127.0.0.1:8082; }
        location = /guest { return 200 '{"identity":{"role":"guest"}}'; }
        location = /bob   { return 200 '{"identity":{"userId":"bob"}}'; }

        location /admin { conductor_admin h; conductor_auth off; allow all; }
    }
}

EOF_CONF

backend($t, 8082);
$t->run();
wait_for(sub { worker_pids($t) == workers() });

# a role

my $token = token('ann', 600);
my $ws = ws_connect($t, '/guest/', token => $token);
is($ws->recv_until('welcome')->{role}, 'guest', 'a back end gives a role');
is(publishes($ws), 'forbidden', 'which is what counts');
is($ws->command({ type => 'auth', token => $token })->{type}, 'ack',
    'the token may be renewed');
is(publishes($ws), 'forbidden', 'and the role stays');

$ws = open_at('/', $token);
is(publishes($ws), 'ack', 'the role of a token');
says($ws, { role => 'guest' });
is(publishes($ws), 'forbidden', 'is replaced');
$ws->command({ type => 'auth', token => token('ann', 900) });
is(publishes($ws), 'forbidden', 'over a new token');
says($ws, { role => 'admin' });
is(publishes($ws), 'ack', 'until the back end gives another');

# a time

$ws = open_at('/', token('ann', 600));
says($ws, { expires => time() + 2 });
is($ws->command({ type => 'auth', token => token('ann', 900) })->{type}, 'ack',
    'a new token lasts longer');
is(($ws->expect_close())[0], 4401, 'but not than the back end said');

$ws = open_at('/', token('ann', 2));
says($ws, { expires => time() + 900 });
is(($ws->expect_close())[0], 4401, 'nor a client than its token');

$ws = open_at('/', $token);
is(says($ws, { expires => (time() + 900) * 1000 })->{code}, 'backend_error',
    'milliseconds are refused');

# a name

my $bob = ws_connect($t, '/bob/', token => $token);
is($bob->recv_until('welcome')->{userId}, 'bob', 'a back end gives a name');
is($bob->command({ type => 'auth', token => token('ann', 900) })->{type},
    'ack', 'the token is that of the first one');
is($bob->command({ type => 'auth', token => token('bob', 900) })->{code},
    'forbidden', 'not that of another one');
is($bob->command({ type => 'ping' })->{type}, 'pong', 'which changes nothing');

api($t, 'POST', '/admin/revocations', body =>
    '{"user":"ann","until":' . (time() + 60) * 1000 . '}');
is(($bob->expect_close())[0], 4500, 'who is revoked is so by any name');


sub token {
    my ($user, $time) = @_;

    return jwt({ sub => $user, role => 'admin', exp => time() + $time },
               key => $secret);
}


sub open_at {
    my ($uri, $token) = @_;
    my $s = ws_connect($t, $uri, token => $token);
    $s->recv_until('welcome');
    return $s;
}


sub publishes {
    my ($ws) = @_;
    my $r = $ws->command({ type => 'publish', event => { type => 'e' } });
    return $r->{code} // $r->{type};
}


sub says {
    my ($ws, $identity) = @_;

    return $ws->command({ type => 'agent:a', do => {
        answer => { identity => $identity } } });
}
