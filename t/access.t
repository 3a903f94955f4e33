#!/usr/bin/perl

# Who may publish: identity as an access check beside those of nginx.

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
    ->has(qw/ http access auth_basic realip /))->plan(37);

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
        event e { channel c; publish_roles editor admin; }
    }

    server {
        listen 127.0.0.1:8080;

        set_real_ip_from  127.0.0.1;
        real_ip_header    X-Real-IP;

        location / { conductor h; conductor_auth off; }
        location /open { conductor_publish h; }
        location /off { conductor_publish h; conductor_auth off; }
        location /health {
            conductor_health h;
            conductor_jwt_key HS256 'a key that guards no health, but is there';
        }

        location /token/ {
            conductor_publish h;
            conductor_jwt_key HS256 'the secret, which is 32 octets or longer';
            conductor_origins https://app.example.com;

            location /token/role {
                conductor_publish h;
                conductor_require_role editor admin;
            }

            location /token/any {
                conductor_publish h;
                satisfy any;
                allow 10.0.0.1;
                deny all;
            }

            location /token/all {
                conductor_publish h;
                satisfy all;
                allow 10.0.0.1;
                deny all;
            }

            location /token/basic {
                conductor_publish h;
                satisfy any;
                auth_basic "x";
                auth_basic_user_file %%TESTDIR%%/htpasswd;
            }

            location /token/page {
                conductor_publish h;
                error_page 401 403 = /refused;
            }
        }

        location /refused { return 418 "sorry"; }
    }
}

CONF

$t->write_file('htpasswd', "bob:{PLAIN}secret\n");
$t->run();

my $ws = ws_connect($t, '/');
my $n = 0;          # of events that were sent and must arrive

my $good = token(role => 'editor');
my $near = 'X-Real-IP: 10.0.0.1';
my $far = 'X-Real-IP: 10.0.0.2';

###############################################################################

is(post($t, '/open'), 200, 'a location without identity is open');
is(post($t, '/off'), 200, 'so is one with conductor_auth off');
is((health($t))[0], 200, 'and health asks nobody');

is(post($t, '/token/', token => $good), 200, 'with a token');
my ($code, undef, $head) = publish($t, { type => 'e' }, path => '/token/');
is($code, 401, 'without one');
like($head, qr/^WWW-Authenticate: Bearer realm="conductor"\r$/m,
    'and what to bring');

($code, undef, $head) = publish($t, { type => 'e' }, path => '/token/',
    token => token(exp => time() - 1));
is($code, 401, 'with an expired one');
like($head, qr/^WWW-Authenticate:\ Bearer\ realm="conductor",
                \ error="invalid_token",
                \ error_description="token\ expired"\r$/mx,
    'and what is wrong with it');
is(() = $head =~ /^WWW-Authenticate:/mg, 1, 'said once');

is(post($t, '/token/', token => 'x'), 401, 'with rubbish');
is(post($t, '/token/', token => jwt({ sub => 'a' }, alg => 'none')), 401,
    'with an unsigned one');
is((api($t, 'GET', '/token/'))[0], 401, 'another method asks for it, too');
is((api($t, 'HEAD', '/token/'))[0], 401, 'and HEAD');
is((publish($t, '{', path => '/token/'))[0], 401,
    'who is nobody does not learn what is wrong with a body');
is((publish($t, { type => 'e' }, path => '/token/', token => $good,
            headers => [ 'Origin: https://evil.com' ]))[0], 403,
    'a foreign page is refused, with a token');
is(post($t, '/token/', token => $good,
        headers => [ 'Origin: https://app.example.com' ]), 200,
    'an allowed one is not');

is(post($t, '/token/role', token => $good), 200, 'with a role');
is(post($t, '/token/role', token => token(role => [ 'x', 'admin' ])), 200,
    'with one of several');
is(post($t, '/token/role', token => token(role => 'x')), 403,
    'with another');
is(post($t, '/token/role', token => token()), 403, 'with none');
is(post($t, '/token/role'), 401, 'as nobody');

###############################################################################

# satisfy

is(post($t, '/token/any', headers => [ $near ]), 200,
    'any: an address that is allowed needs no token');
is(post($t, '/token/any', headers => [ $near ], token => 'x'), 200,
    'not even a good one');
is(post($t, '/token/any', headers => [ $far ], token => $good), 200,
    'any: another address needs one');
is(post($t, '/token/any', headers => [ $far ]), 401, 'and is asked for it');
is(post($t, '/token/any', headers => [ $far ], token => 'x'), 401,
    'a bad one is none');
is((api($t, 'OPTIONS', '/token/any', headers => [ $far,
        'Origin: https://app.example.com' ]))[0], 204,
    'any: a preflight, which has neither, is answered');

is(post($t, '/token/all', headers => [ $near ], token => $good), 200,
    'all: address and token');
is(post($t, '/token/all', headers => [ $near ]), 401, 'no token');
is(post($t, '/token/all', headers => [ $far ], token => $good), 403,
    'another address');

is(post($t, '/token/basic', token => $good), 200, 'any: a token');
is(post($t, '/token/basic', headers => [
        'Authorization: Basic ' . encode_base64('bob:secret', '') ]), 200,
    'or a password');
($code, undef, $head) = publish($t, { type => 'e' }, path => '/token/basic');
is_deeply([ $code, sort $head =~ /^WWW-Authenticate: (\w+)/mg ],
    [ 401, 'Basic', 'Bearer' ], 'and who has neither is told of both');

is((publish($t, { type => 'e' }, path => '/token/page'))[0], 418,
    'a refusal may have a page of its own');

###############################################################################

my @got = map { $ws->recv_until('e') } 1 .. $n;
is(scalar(grep { defined } @got), $n, 'what was accepted arrives');
is_deeply($ws->sync(), [], 'and nothing else');

my $refused = () = $t->read_file('info.log')
    =~ /conductor: access refused: token expired,/g;
is($refused, 1, 'a refusal is logged once');

###############################################################################

sub token {
    return jwt({ sub => 'ann', @_ },
               key => 'the secret, which is 32 octets or longer');
}


# The status of a publication; one that is accepted is counted.
sub post {
    my ($t, $path, %opt) = @_;
    my ($code) = publish($t, { type => 'e' }, path => $path, %opt);

    $n++ if $code == 200;
    return $code;
}
