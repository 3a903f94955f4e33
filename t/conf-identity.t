#!/usr/bin/perl

# nginx -t checks who may connect: keys, their files, and every location.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use POSIX qw//;

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $secret = 'x' x 32;
my $rsa = jwt_key('RS256');
my $ec = jwt_key('ES256');
my $ec384 = jwt_key('ES384');
my $ed = jwt_key('EdDSA');

# What is wrong in a location: the value with its directive, and the reason.

my $one = qr/algorithm is one of HS256, HS384, HS512, RS256/;

my @wrong = (
    [ 'conductor_jwt_key none literal', 'conductor_jwt_key', 'none', $one ],
    [ 'conductor_jwt_key hs256 literal', 'conductor_jwt_key', 'hs256', $one ],
    [ 'conductor_jwt_key PS256 literal', 'conductor_jwt_key', 'PS256', $one ],
    [ 'conductor_jwt_key HS256', 'conductor_jwt_key', undef,
      qr/invalid number of arguments/ ],
    [ 'conductor_jwt_key HS256 ""', 'conductor_jwt_key', undef,
      qr/is empty/ ],
    [ 'conductor_jwt_key HS256 a id=b', 'conductor_jwt_key', 'id=b',
      qr/"kid=NAME"/ ],
    [ 'conductor_jwt_key HS256 a kid=', 'conductor_jwt_key', 'kid=',
      qr/"kid=NAME"/ ],
    [ 'conductor_jwt_key RS256 literal', 'conductor_jwt_key', 'literal',
      qr/"file:PATH" or "env:NAME"/ ],
    [ 'conductor_jwt_key HS256 env:CONDUCTOR_T_NONE', 'conductor_jwt_key',
      'env:CONDUCTOR_T_NONE', qr/no such variable/ ],
    [ 'conductor_jwt_key HS256 env:', 'conductor_jwt_key', 'env:',
      qr/no such variable/ ],
    [ 'conductor_jwt_key HS256 env:CONDUCTOR_T_EMPTY', 'conductor_jwt_key',
      'env:CONDUCTOR_T_EMPTY', qr/or it is empty/ ],
    [ 'conductor_jwt_key HS256 file:', 'conductor_jwt_key', 'file:',
      qr/a file has a name/ ],
    [ 'conductor_jwt_key HS256 file:none', 'conductor_jwt_key', 'file:none',
      qr/cannot open.*No such file/ ],
    [ 'conductor_jwt_key HS256 file:dir', 'conductor_jwt_key', 'file:dir',
      qr/not a file/ ],
    [ 'conductor_jwt_key HS256 file:fifo', 'conductor_jwt_key', 'file:fifo',
      qr/not a file/ ],
    [ 'conductor_jwt_key HS256 file:/dev/zero', 'conductor_jwt_key',
      'file:/dev/zero', qr/not a file/ ],
    [ 'conductor_jwt_key HS256 file:large', 'conductor_jwt_key', 'file:large',
      qr/larger than 256k/ ],
    [ 'conductor_jwt_key HS256 file:empty', 'conductor_jwt_key', undef,
      qr/is empty/ ],
    [ 'conductor_jwt_key HS256 file:newline', 'conductor_jwt_key', undef,
      qr/is empty/ ],
    [ "conductor_jwt_key RS256 file:$rsa->{private}", 'conductor_jwt_key',
      undef, qr/RS256 key .*private/ ],
    [ "conductor_jwt_key ES256 file:$ec->{private}", 'conductor_jwt_key',
      undef, qr/ES256 key .*private/ ],
    [ "conductor_jwt_key RS256 file:$ec->{public}", 'conductor_jwt_key',
      undef, qr/RS256 key .*cannot be used/ ],
    [ "conductor_jwt_key ES256 file:$ec384->{public}", 'conductor_jwt_key',
      undef, qr/ES256 key .*cannot be used/ ],
    [ "conductor_jwt_key EdDSA file:$rsa->{public}", 'conductor_jwt_key',
      undef, qr/EdDSA key .*cannot be used/ ],
    [ 'conductor_jwt_key RS256 file:secret', 'conductor_jwt_key', undef,
      qr/RS256 key .*cannot be used/ ],
    [ "conductor_jwt_key HS256 file:$rsa->{public}", 'conductor_jwt_key',
      undef, qr/HS256 key .*cannot be used/ ],

    [ 'conductor_jwt_key_set none', 'conductor_jwt_key_set', 'none',
      qr/cannot open/ ],
    [ 'conductor_jwt_key_set dir', 'conductor_jwt_key_set', 'dir',
      qr/not a file/ ],
    [ 'conductor_jwt_key_set secret', 'conductor_jwt_key_set', 'secret',
      qr/JSON|json/ ],
    [ 'conductor_jwt_key_set object', 'conductor_jwt_key_set', 'object',
      qr/keys/ ],
    [ 'conductor_jwt_key_set nokeys', 'conductor_jwt_key_set', 'nokeys',
      qr/key/ ],
    [ 'conductor_jwt_key_set private', 'conductor_jwt_key_set', 'private',
      qr/private key/ ],
    [ 'conductor_jwt_key_set broken', 'conductor_jwt_key_set', 'broken',
      qr/JSON|json/ ],

    [ 'conductor_jwt_require sub=x', 'conductor_jwt_require', 'sub=x',
      qr/expected "iss=NAME"/ ],
    [ 'conductor_jwt_require iss=', 'conductor_jwt_require', 'iss=',
      qr/expected "iss=NAME"/ ],
    [ 'conductor_jwt_require aud=', 'conductor_jwt_require', 'aud=',
      qr/expected "iss=NAME"/ ],
    [ 'conductor_jwt_require exp=no', 'conductor_jwt_require', 'exp=no',
      qr/"exp=on\|off"/ ],
    [ 'conductor_jwt_leeway x', 'conductor_jwt_leeway', 'x', qr/is a time/ ],
    [ 'conductor_jwt_leeway 25h', 'conductor_jwt_leeway', '25h',
      qr/at most a day/ ],
    [ 'conductor_jwt_leeway 1; conductor_jwt_leeway 1',
      'conductor_jwt_leeway', undef, qr/is duplicate/ ],
    [ 'conductor_jwt_claims name=x', 'conductor_jwt_claims', 'name=x',
      qr/expected "user=CLAIM"/ ],
    [ 'conductor_jwt_claims user=', 'conductor_jwt_claims', 'user=',
      qr/expected "user=CLAIM"/ ],
    [ 'conductor_jwt_claims user=a; conductor_jwt_claims role=b',
      'conductor_jwt_claims', undef, qr/is duplicate/ ],

    [ 'conductor_token arg_token', 'conductor_token', 'arg_token',
      qr/expected a variable/ ],
    [ 'conductor_token $', 'conductor_token', '$', qr/expected a variable/ ],
    [ 'conductor_token $arg_a; conductor_token $arg_b', 'conductor_token',
      undef, qr/is duplicate/ ],
    [ 'conductor_require_role a,b', 'conductor_require_role', 'a,b',
      qr/separated by spaces/ ],
    [ 'conductor_require_role ""', 'conductor_require_role', '',
      qr/is not empty/ ],

    [ 'conductor_auth on', 'conductor_auth', 'on', qr/only be "off"/ ],
    [ 'conductor_auth off; conductor_auth off', 'conductor_auth', undef,
      qr/is duplicate/ ],
    [ 'conductor_identity who=$arg_a', 'conductor_identity', 'who=$arg_a',
      qr/expected "user=\$var"/ ],
    [ 'conductor_identity role=$arg_a', 'conductor_identity', undef,
      qr/needs "user=\$var"/ ],
    [ 'conductor_identity user=', 'conductor_identity', 'user=', qr/empty/ ],
    [ 'conductor_identity user=$arg_a user=$arg_b', 'conductor_identity',
      'user=$arg_b', qr/given twice/ ],
    [ 'conductor_identity user=remote_user', 'conductor_identity',
      'user=remote_user', qr/contains no variable/ ],
    [ 'conductor_identity user=$arg_a expires=60', 'conductor_identity',
      'expires=60', qr/contains no variable/ ],
    [ 'conductor_identity user=$arg_a; conductor_identity user=$arg_a',
      'conductor_identity', undef, qr/is duplicate/ ],

    [ 'conductor_auth off; conductor_jwt_key HS256 x', 'conductor_jwt_key',
      undef, qr/beside another way of identity/ ],
    [ 'conductor_jwt_key HS256 x; conductor_auth off', 'conductor_auth',
      undef, qr/beside another way of identity/ ],
    [ 'conductor_jwt_key HS256 x; conductor_identity user=$arg_a',
      'conductor_identity', undef, qr/beside another way of identity/ ],
    [ 'conductor_identity user=$arg_a; conductor_jwt_key_set set',
      'conductor_jwt_key_set', undef, qr/beside another way of identity/ ],
    [ 'conductor_identity user=$arg_a; conductor_auth off', 'conductor_auth',
      undef, qr/beside another way of identity/ ],
);

my @good = (
    "conductor_jwt_key HS256 $secret",
    'conductor_jwt_key HS512 env:CONDUCTOR_T_SECRET kid=a',
    "conductor_jwt_key RS256 file:$rsa->{public}; "
        . "conductor_jwt_key ES256 file:$ec->{public} kid=b; "
        . "conductor_jwt_key EdDSA file:$ed->{public}; "
        . 'conductor_jwt_key_set set',
    'conductor_jwt_key HS256 file:secret; conductor_jwt_claims role=roles; '
        . 'conductor_jwt_require iss=a iss=b aud=c exp=off; '
        . 'conductor_jwt_leeway 1d; conductor_token $cookie_a ${arg_b}',
    'conductor_identity user=$ssl_client_s_dn role=reviewer',
);

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl /))
    ->plan(@wrong + @good + 17);

$ENV{CONDUCTOR_T_EMPTY} = '';
$ENV{CONDUCTOR_T_SECRET} = $secret;
delete $ENV{CONDUCTOR_T_NONE};

my $d = $t->testdir();

mkdir "$d/dir" or die;
POSIX::mkfifo("$d/fifo", 0600) or die;

$t->write_file('empty', '');
$t->write_file('newline', "\r\n\n");
$t->write_file('large', 'x' x (256 * 1024 + 1));
$t->write_file('secret', "$secret\n");
$t->write_file('object', '{}');
$t->write_file('nokeys', '{"keys":[]}');
$t->write_file('broken', '{"keys":[');
$t->write_file('private', '{"keys":[' . json({ %{jwk($ec)}, d => 'AA' })
                          . ']}');
$t->write_file('set', '{"keys":[' . json(jwk($ec, kid => 'a')) . ']}');

like(said($t, "conductor h; $_->[0]"), pattern(@$_), "refused: $_->[0]")
    for @wrong;
is(said($t, "conductor h; $_"), 'ok', "accepted: $_") for @good;

# The whole of a location.

like(said($t, 'conductor h'),
     qr/\[emerg\] "conductor h" has no identity: add "conductor_jwt_key"/,
     'a location for clients has an identity');
is(said($t, 'conductor_publish h'), 'ok',
   'one for publishers may leave it to nginx');
is(said($t, 'conductor_health h'), 'ok', 'so may the health');

like(said($t, 'conductor h; conductor_auth off; conductor_require_role a'),
     qr/\[emerg\] "conductor_require_role".*"conductor_auth off"/,
     'a role without an identity is refused: clients');
like(said($t, 'conductor_publish h; conductor_auth off; '
              . 'conductor_require_role a'),
     qr/\[emerg\] "conductor_require_role".*"conductor_auth off"/,
     'publishers');
like(said($t, 'conductor_publish h; conductor_require_role a'),
     qr/\[emerg\] "conductor_require_role".*no identity/,
     'and publishers whose identity is forgotten');

like(said($t, 'conductor_admin h; conductor_auth off; '
              . 'conductor_require_role a'),
     qr/\[emerg\] "conductor_require_role".*"conductor_auth off"/,
     'administrators, too');

like(said($t, 'conductor h; conductor_auth off; conductor_token $none'),
     qr/\[emerg\] unknown "none" variable/,
     'a variable that does not exist is refused');

# Warnings.

like(warned($t, 'conductor_jwt_key HS256 short'),
     qr/\[warn\].*HS256 key.*shorter than 32 bytes/,
     'a short secret is warned of');
unlike(warned($t, "conductor_jwt_key HS256 $secret"), qr/\[warn\]/,
       'one of 32 bytes is not');
unlike(warned($t, "conductor_jwt_key HS256 $secret"), qr/\Q$secret/,
       'and is not printed');
unlike(said($t, "conductor h; conductor_jwt_key HS256 $secret kid="),
       qr/\Q$secret/, 'nor is it where something else is wrong');

$t->write_file('set', '{"keys":[' . json(jwk($ec, kid => 'a'))
                      . ',{"kty":"XX"},{"kty":"EC"}]}');
like(warned($t, 'conductor_jwt_key_set set'),
     qr/\[warn\].*a key of "set" is passed over/,
     'a broken key of a set is passed over with a warning');

$t->write_file('set', '{"keys":[' . json(jwk(jwt_key('HS256'))) . ']}');
is(said($t, 'conductor h; conductor_jwt_key_set set'), 'ok',
   'a set may hold a secret');

# Who cannot read a key, and who can.

SKIP: {
    skip 'only root can be another user', 3 if $> != 0;

    my ($module) = $ENV{TEST_NGINX_GLOBALS} =~ /(\S+module\.so)/;

    chmod 0600, "$d/secret";
    is(said($t, 'conductor h; conductor_jwt_key HS256 file:secret'), 'ok',
       'a key that only root can read is read by root');

    chmod 0777, $d;
    unlink "$d/check.conf", "$d/error.log", "$d/access.log";

    my $said = as_nobody(sub {
        -r $module ? said($t, 'conductor h; conductor_jwt_key HS256 '
                              . 'file:secret') : 'no module';
    });

    skip 'the module cannot be read by everybody', 2 if $said eq 'no module';

    like($said, qr/\[emerg\].*"file:secret" in "conductor_jwt_key"/,
         'but refused to who cannot');
    like($said, qr/Permission denied/, 'with the reason');
}


# A configuration of one location: "ok", or what nginx says.
sub said {
    my ($t, $location) = @_;
    my ($ok, $output) = nginx_t($t, conf($location));

    return $ok ? 'ok' : $output;
}


# All that nginx says of a key.
sub warned {
    my ($t, $key) = @_;
    return (nginx_t($t, conf("conductor h; $key")))[1];
}


# What a function says that has no rights.
sub as_nobody {
    my ($code) = @_;
    my $pid = open(my $f, '-|') // die "cannot fork: $!\n";

    if ($pid == 0) {
        $) = '65534 65534';
        POSIX::setgid(65534);
        POSIX::setuid(65534);
        print $code->();
        POSIX::_exit(0);
    }

    local $/;
    return <$f> // '';
}


# A configuration with one location for clients.
sub conf {
    my ($location) = @_;

    return <<"EOF_CONF";

%%TEST_GLOBALS%%

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    2m;
        history size=64k;
        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        location / {
            $location;
        }
    }
}

EOF_CONF
}


# What the error must say of a directive and its value.
sub pattern {
    my ($text, $directive, $value, $why) = @_;
    my $quoted = defined $value ? quotemeta qq{"$value"} : '';

    return qr/\[emerg\](?=.*\b$directive\b)(?=.*$quoted)(?=.*$why)
              .*\ in\ \S+check\.conf:\d+/x;
}


# One object as JSON.
sub json {
    return JSON::PP->new->canonical->encode($_[0]);
}
