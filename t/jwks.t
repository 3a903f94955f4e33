#!/usr/bin/perl

# Sets of keys: which key a token is held against, and who inherits which.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use JSON::PP qw//;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->has_daemon('openssl')->plan(49);

my %key = map { $_ => jwt_key($_) } qw/ RS256 ES256 ES384 EdDSA HS256 /;
my $second = jwt_key('ES256');
my $nobody = jwt_key('ES256');

key_set($t, 'all.json',
    map({ jwk($key{$_}, kid => "kid-$_") } sort keys %key),
    jwk($second, kid => 'second'));
key_set($t, 'plain.json', map { without(jwk($key{$_}), 'alg', 'use') }
                          sort keys %key);
key_set($t, 'odd.json',
    { kty => 'RSA', n => 'AQAB', e => 'AQAB', kid => 'short' },
    { kty => 'EC', crv => 'secp256k1', x => 'AA', y => 'AA' },
    { kty => 'unknown' }, 'no object',
    jwk($key{ES256}, kid => 'enc', use => 'enc'),
    jwk($key{EdDSA}, kid => 'good', more => { x => 1 }));
key_set($t, 'pinned.json', { %{jwk($key{RS256})}, alg => 'RS512' });
$t->write_file('ES256.pub', slurp($key{ES256}{public}));
$t->write_file('second.pub', slurp($second->{public}));

my $conf = conductor_conf(<<'CONF');

%%TEST_GLOBALS%%

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

    conductor_jwt_key HS256 'the secret of all servers, 32 octets long';
    conductor_jwt_require iss=http;
    conductor_jwt_claims user=name;

    server {
        listen 127.0.0.1:8080;
        conductor_limit_conn off;
        conductor_jwt_require exp=on;
        conductor_jwt_claims user=sub;

        location /all { conductor h; conductor_jwt_key_set all.json; }
        location /plain { conductor h; conductor_jwt_key_set plain.json; }
        location /odd { conductor h; conductor_jwt_key_set odd.json; }
        location /pinned { conductor h; conductor_jwt_key_set pinned.json; }

        location /kid {
            conductor h;
            conductor_jwt_key ES256 file:ES256.pub kid=first;
            conductor_jwt_key ES256 file:second.pub kid=second;
        }

        location /rotate {
            conductor h;
            conductor_jwt_key ES256 file:ES256.pub;
            conductor_jwt_key ES256 file:second.pub;
        }

        location /both {
            conductor h;
            conductor_jwt_key_set pinned.json;
            conductor_jwt_key HS256 'another secret that is 32 octets long'
                              kid=hs;
        }

        location /inherited { conductor h; }

        location /own {
            conductor h;
            conductor_jwt_key HS256 'the secret of a location is as long as';

            location /own/inner { conductor h; }
            location /own/open { conductor h; conductor_auth off; }
            location /own/header {
                conductor h;
                conductor_identity user=$http_x_user;
            }
            location /own/again {
                conductor h;
                conductor_jwt_key
                    HS256 'the secret of an inner location, as long';
            }
        }
    }

    server {
        listen 127.0.0.1:8081;
        location /inherited { conductor h; }
    }
}

CONF

$t->write_file_expand('nginx.conf', $conf);
$t->run();

my $inherited = 'the secret of all servers, 32 octets long';

###############################################################################

# a set with ids

for my $alg (sort keys %key) {
    is(user($t, '/all', key => $key{$alg}, header => { kid => "kid-$alg" }),
        'ann', "$alg, by its id");
    is(user($t, '/all', key => $key{$alg}), 'ann', "$alg, without an id");
    is(user($t, '/plain', key => $key{$alg}), 'ann',
        "$alg, of a key that names no algorithm");
}

is(user($t, '/all', key => $second, header => { kid => 'second' }), 'ann',
    'a second key of the same algorithm');
is(user($t, '/all', key => $second), 'ann', 'is tried without an id, too');
is(user($t, '/all', key => $second, header => { kid => 'kid-ES256' }),
    'bad signature', 'but not under the id of the first');
is(user($t, '/all', key => $second, header => { kid => $_ }),
    'no key with this id', "nor under the id '$_'")
    for 'unknown', '', 'SECOND', 'second ', 'kid-HS256';
is(user($t, '/all', key => $nobody), 'bad signature', 'nor is a third key');
is(user($t, '/all', key => $key{HS256}, alg => 'HS512'),
    'no key for this algorithm', 'a secret is of one algorithm');
is(user($t, '/all', alg => 'HS256', header => { kid => 'kid-RS256' },
        key => slurp($key{RS256}{public})), 'no key with this id',
    'a public key is no secret, called by its id');
is(user($t, '/all', alg => 'HS256', header => {
        jwk => { kty => 'oct', k => 'eHh4' }, jku => 'http://127.0.0.1/' },
        key => 'xxx'), 'bad signature', 'a token does not bring its key');

# a set with what is no key

is(user($t, '/odd', key => $key{EdDSA}), 'ann', 'the one good key of a set');
is(user($t, '/odd', key => $key{ES256}), 'no key for this algorithm',
    'a key for encryption verifies nothing');
is(user($t, '/pinned', key => $key{RS256}, alg => 'RS512'), 'ann',
    'a key with an algorithm');
is(user($t, '/pinned', key => $key{RS256}), 'no key for this algorithm',
    'is not used with another');

###############################################################################

# keys of their own

is(user($t, '/kid', key => $key{ES256}, header => { kid => 'first' }), 'ann',
    'the first of two keys, by its id');
is(user($t, '/kid', key => $second, header => { kid => 'second' }), 'ann',
    'the second');
is(user($t, '/kid', key => $second, header => { kid => 'first' }),
    'bad signature', 'not under the id of the first');
is(user($t, '/kid', key => $second, header => { kid => 'third' }),
    'no key with this id', 'nor under another');
is(user($t, '/rotate', key => $_, header => { kid => 'any' }), 'ann',
    'a key without an id is tried for any') for $key{ES256}, $second;
is(user($t, '/both', alg => 'HS256', header => { kid => 'hs' },
        key => 'another secret that is 32 octets long'), 'ann',
    'a key beside a set');
is(user($t, '/both', key => $key{RS256}, alg => 'RS512'), 'ann',
    'and the set');

###############################################################################

# inheritance

is(user($t, '/inherited', key => $inherited), 'ann',
    'the key of http, with the claims and the rules of the server');
is(user($t, '/own', key => 'the secret of a location is as long as'), 'ann',
    'the key of a location');
is(user($t, '/own', key => $inherited), 'bad signature',
    'which is instead of that of http');
is(user($t, '/own/inner', key => 'the secret of a location is as long as'),
    'ann', 'an inner location inherits it');
is(user($t, '/own/again', key => 'the secret of an inner location, as long'),
    'ann', 'or has its own');
is(user($t, '/own/again', key => 'the secret of a location is as long as'),
    'bad signature', 'and then no other');
is(user($t, '/own/open', key => 'x'), undef, 'or needs none');
is(user($t, '/own/header', key => 'the secret of a location is as long as'),
    'no user', 'or takes no token');
is(user($t, '/inherited', port => 8081, key => $inherited),
    'wrong issuer', 'in another server the rules of http hold');
is(user($t, '/inherited', port => 8081, key => $inherited,
        claims => { iss => 'http', name => 'bob' }), 'bob',
    'and its claims');

###############################################################################

# The user of a welcome, or the reason of a refusal.
sub user {
    my ($t, $path, %opt) = @_;
    my $to = $opt{port} ? port($opt{port}) : $t;
    my $token = jwt({ sub => 'ann', name => 'x', %{$opt{claims} || {}} },
                    %opt);
    my $ws = ws_connect($to, $path, token => $token);

    return $ws->recv_until('welcome')->{userId} if $ws->is_open();

    my $challenge = $ws->header('WWW-Authenticate') // '';
    return $1 if $challenge =~ /error_description="([^"]*)"/;
    return ($t->read_file('error.log')
            =~ /.*handshake refused: \w+: ([^,]*)/s)[0];
}


# Writes a JWK set.
sub key_set {
    my ($t, $name, @keys) = @_;
    $t->write_file($name, JSON::PP->new->encode({ keys => \@keys }));
}


# A JWK without some members.
sub without {
    my ($jwk, @names) = @_;
    delete @$jwk{@names};
    return $jwk;
}


# A file outside of the test's directory.
sub slurp {
    my ($name) = @_;
    open my $f, '<:raw', $name or die "cannot open $name: $!\n";
    local $/;
    return <$f>;
}
