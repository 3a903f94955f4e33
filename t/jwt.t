#!/usr/bin/perl

# Tokens: every algorithm and source of keys, and every token that is refused.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use MIME::Base64 qw/ encode_base64url /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->has_daemon('openssl')->plan(81);

my @algs = qw/ HS256 HS384 HS512 RS256 RS384 RS512 ES256 ES384 EdDSA /;
my %key = map { $_ => jwt_key($_) } qw/ RS256 ES256 ES384 EdDSA /;

$key{$_} = { %{$key{RS256}}, alg => $_ } for qw/ RS384 RS512 /;
$key{$_} = { alg => $_, secret => "the secret for $_, longer than 32 bytes" }
    for qw/ HS256 HS384 HS512 /;

my %other = (RS256 => jwt_key('RS256'), ES256 => jwt_key('ES256'),
             EdDSA => jwt_key('EdDSA'),
             HS256 => { alg => 'HS256', secret => 'x' x 40 });

my $locations = '';

for my $alg (@algs) {
    my $secret = defined $key{$alg}{secret};

    $t->write_file("$alg.key", $secret ? "$key{$alg}{secret}\n"
                                       : slurp($key{$alg}{public}));
    $ENV{"CONDUCTOR_TEST_$alg"} = $secret ? $key{$alg}{secret}
                                          : slurp($key{$alg}{public});

    $locations .= "location /file/$alg { conductor h;
                       conductor_jwt_key $alg file:%%TESTDIR%%/$alg.key; }
                   location /env/$alg { conductor h;
                       conductor_jwt_key $alg env:CONDUCTOR_TEST_$alg; }\n";
    $locations .= "location /literal/$alg { conductor h;
                       conductor_jwt_key $alg '$key{$alg}{secret}'; }\n"
        if $secret;
}

my $conf = <<'CONF' =~ s/%%LOCATIONS%%/$locations/r;

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

    server {
        listen 127.0.0.1:8080;
        large_client_header_buffers 4 64k;
        conductor_limit_conn off;

        %%LOCATIONS%%

        location /off {
            conductor h;
            conductor_jwt_key HS256 file:%%TESTDIR%%/HS256.key;
            conductor_jwt_require exp=off;
        }

        location /list {
            conductor h;
            conductor_jwt_key HS256 file:%%TESTDIR%%/HS256.key;
            conductor_jwt_require iss=https://a iss=https://b aud=x;
            conductor_jwt_require aud=y;
        }

        location /leeway {
            conductor h;
            conductor_jwt_key HS256 file:%%TESTDIR%%/HS256.key;
            conductor_jwt_leeway 100s;
        }

        location /query {
            conductor h;
            conductor_jwt_key HS256 file:%%TESTDIR%%/HS256.key;
            conductor_token $arg_token;
        }
    }
}

CONF

$t->write_file_expand('nginx.conf', conductor_conf($conf));
$t->run();

###############################################################################

# what is right

for my $alg (@algs) {
    my $token = jwt({ sub => "u-$alg" }, key => $key{$alg});

    is(user($t, "/file/$alg", $token), "u-$alg", "$alg with a key in a file");
    is(user($t, "/env/$alg", $token), "u-$alg", "$alg from the environment");
    is(user($t, "/literal/$alg", $token), "u-$alg", "$alg as it stands")
        if $alg =~ /^HS/;
}

my $hs = '/file/HS256';
my $now = time();

accepted($hs, 'no "typ"', good(header_text => '{"alg":"HS256"}'));
accepted($hs, 'an access token', good(header => { typ => 'at+JWT' }));
accepted($hs, 'a "kid" that the key has not', good(header => { kid => 'k' }));
accepted($hs, 'a user that is a number', good(claims => { sub => 42 }), '42');
accepted($hs, 'a user in any script', good(claims => { sub => "\x{17e}" }),
    "\x{17e}");
accepted($hs, 'an expiry with a fraction',
    good(claims => { exp => $now + 60.5 }));
accepted('/off', 'no expiry, where none is asked for',
    good(claims => { exp => undef }));
accepted('/list', 'one of the issuers, one of the audiences',
    good(claims => { iss => 'https://b', aud => 'y' }));
accepted('/list', 'a list of audiences with one of ours',
    good(claims => { iss => 'https://a', aud => [ 'z', 'x' ] }));
accepted('/leeway', 'an expiry within the leeway',
    good(claims => { exp => $now - 50 }));
accepted('/leeway', 'a start at the end of the leeway',
    good(claims => { nbf => time() + 100, iat => time() + 100 }));

###############################################################################

# what is not; each is refused alike, with its reason

my %reasons;
my @tokens;

refused($hs, 'a token without a signature', 'no key for this algorithm',
    good(alg => 'none'), good(alg => 'none', signature => 'x'),
    map { good(header => { alg => $_ }) } qw/ none None NONE nOnE /, '');
refused($hs, 'the algorithm missing or no string', 'malformed header',
    good(header_text => '{}'), good(header_text => '{"alg":null}'),
    good(header_text => '{"alg":["HS256"]}'));
refused($hs, 'a name of an algorithm that differs by a letter\'s case',
    'no key for this algorithm', good(header => { alg => 'hs256' }),
    good(header => { alg => "HS256 " }), good(header => { alg => 'PS256' }));
refused($hs, 'another algorithm of the same secret',
    'no key for this algorithm', good(alg => 'HS384'), good(alg => 'HS512'));
refused('/file/RS256', 'HS256 with the public key for the secret',
    'no key for this algorithm',
    good(alg => 'HS256', key => slurp($key{RS256}{public})),
    good(alg => 'HS256', key => slurp($key{RS256}{public}) =~ s/\n\z//r));
refused("/env/$_", "HS256 with the public key of $_",
    'no key for this algorithm',
    good(alg => 'HS256', key => slurp($key{$_}{public})))
    for qw/ ES256 EdDSA /;
refused('/file/RS256', 'the hash of another length',
    'no key for this algorithm', good(key => $key{RS512}));
refused("/file/$_", "a token of another key ($_)", 'bad signature',
    good(alg => $_, key => $other{$_})) for sort keys %other;
refused('/file/RS256', 'a signature that is too short or too long',
    'bad signature', good(alg => 'RS256', signature => "\0" x 255),
    good(alg => 'RS256', signature => "\0" x 256),
    good(alg => 'RS256', signature => "\0" x 257));
refused('/file/ES256', 'a signature of zeros, or in another form',
    'bad signature', good(alg => 'ES256', signature => "\0" x 64),
    good(alg => 'ES256', signature => ''),
    good(alg => 'ES256', signature => "\x30\x06\2\1\1\2\1\1"));
refused($hs, 'no signature, half of one, or one octet more', 'bad signature',
    good(signature => ''), half(good()), good() =~ s/\.[^.]+\z/./r,
    good(signature => 'x' x 33));
refused($hs, 'claims that were changed after signing', 'bad signature',
    changed(good(), { sub => 'root', exp => $now + 60 }));
refused($hs, 'a header that was changed after signing', 'bad signature',
    good() =~ s/^[^.]+/encode_base64url('{"alg":"HS256","x":1}')/er);

refused($hs, 'what is no token', 'malformed token', 'x', 'x.y', '.', 'x..',
    '...', good() . '.', good() . '.x', '.' . good(), good() . '=',
    good() =~ s/\./ ./r, good() =~ s/\./.+/r, "a.b.c\x01", "\xff.\xff.\xff",
    'A.A.A', good() =~ s/^(.)/$1%/r);
refused($hs, 'a header that is no object', 'malformed header', 'e30x.e30.',
    good(header_text => ''), good(header_text => '[]'),
    good(header_text => '"HS256"'), good(header_text => '{"alg":"HS256"} x'),
    good(header_text => "{\"alg\":\"HS256\",\"alg\":\"none\"}"),
    good(header_text => '{"alg":"HS256","kid":1}'),
    good(header_text => '{"alg":"HS256","x":' . '[' x 100 . ']' x 100 . '}'));
refused($hs, 'a header that must be understood',
    'critical header not supported',
    good(header => { crit => [ 'exp' ] }), good(header => { crit => [] }));
refused($hs, 'a payload that is not encoded',
    'unencoded payload not supported',
    good(header => { b64 => JSON::PP::false() }));
refused($hs, 'another type of token', 'wrong type of token',
    good(header => { typ => 'JWE' }), good(header => { typ => 'dpop+jwt' }),
    good(header => { typ => undef }));
refused($hs, 'claims that are no object', 'malformed claims',
    map { good(payload_text => $_) } '', '[]', 'null', '{"sub":"a"', '{} {}',
    '{"sub":"a","sub":"b"}', "{\"sub\":\"\xff\"}", '{"sub":"a\u0000"}',
    '{"x":' . '[' x 100 . ']' x 100 . '}');
refused($hs, 'no user', 'no user claim', map { good(claims => { sub => $_ }) }
    undef, '', [ 'a' ], {}, 1.5);
refused($hs, 'a user too long to be kept', 'user too long',
    good(claims => { sub => 'u' x 256 }));
refused($hs, 'a user that would break a line of a log',
    'control character in user', good(claims => { sub => "a\nb" }),
    good(claims => { sub => "a\x7f" }));
refused($hs, 'a role that is no string', 'role is not a string',
    map { good(claims => { role => $_ }) } 1, {}, [ 'a', 1 ], [ [ 'a' ] ]);
refused($hs, 'a role that would be two', 'comma in role',
    good(claims => { role => 'a,admin' }),
    good(claims => { role => [ 'a', 'b,admin' ] }));
refused($hs, 'too many roles', 'too many roles',
    good(claims => { role => [ map { "r$_" } 1 .. 33 ] }));

refused($hs, 'no expiry', 'no expiry', good(claims => { exp => undef }));
refused($hs, 'a time that is no time', 'malformed time',
    map { good(payload_text => "{\"sub\":\"a\",\"exp\":$_}") } 'null', '"9"',
    '1e300', '-1', '[]', 'true', '99999999999999');
refused('/off', 'an expiry that is no time, where none is asked for',
    'malformed time', good(claims => { exp => 'x' }));
refused($hs, 'a start in the future', 'not yet valid',
    good(claims => { nbf => $now + 600 }));
refused($hs, 'an issue in the future', 'issued in the future',
    good(claims => { iat => $now + 600 }));
refused('/leeway', 'a start beyond the leeway', 'not yet valid',
    good(claims => { nbf => $now + 700 }));
refused('/list', 'no issuer, or another', 'wrong issuer',
    map { good(claims => { aud => 'x', %$_ }) } {}, { iss => 'https://c' },
    { iss => 'https://a/' }, { iss => [ 'https://a' ] }, { iss => '' });
refused('/list', 'no audience, or another', 'wrong audience',
    map { good(claims => { iss => 'https://a', %$_ }) } {}, { aud => 'z' },
    { aud => [] }, { aud => [ 'z', [ 'x' ] ] }, { aud => { x => 1 } });
refused($hs, 'a token larger than 8 KB', 'token too large',
    good(claims => { x => 'x' x 8192 }), 'x' x 20000, '.' x 60000);

refused($hs, 'an expired token', 'token expired',
    good(claims => { exp => $now }), good(claims => { exp => $now - 1 }),
    good(claims => { exp => 0 }));
refused('/leeway', 'an expiry at the end of the leeway', 'token expired',
    good(claims => { exp => $now - 100 }));
refused('/off', 'an expiry in the past, where none is asked for',
    'token expired', good(claims => { exp => $now - 1 }));
refused('/query', 'an expired token in the query', 'token expired',
    [ good(claims => { exp => $now - 1 }) ]);

my $ws = ws_connect($t, $hs);
is_deeply([ $ws->status(), $ws->header('WWW-Authenticate'),
            $ws->body_json()->{code} ],
    [ 401, 'Bearer realm="conductor"', 'bad_token' ],
    'a missing token is asked for, without an error');
$reasons{'no token'}++;

ok(ws_connect($t, "/query?token=" . push_token(good()))->is_open(),
    'a good token in the query');

###############################################################################

# what is written down

my $log = $t->read_file('info.log');
my %logged;

$logged{$1}++
    while $log =~ /handshake refused: \w+: ([^,]*), hub: "h"/g;

is_deeply(\%logged, \%reasons, 'each refusal is logged once, with its reason');
is_deeply([ grep { index($log, $_) >= 0 } @tokens ], [],
    'no token is in the log');

my @lines = grep { /conductor: / } split /\n/, $t->read_file('error.log');
is_deeply([ grep { my $token = $_; grep { index($_, $token) >= 0 } @lines }
            @tokens ], [], 'and none in a message of the module');

is(scalar(worker_pids($t)), workers(), 'all workers live');
is($log =~ /exited on signal/ ? 1 : 0, 0, 'and none was replaced');

###############################################################################

# A token of "ann" for the HS256 key, if nothing else is said.
sub good {
    my (%opt) = @_;
    my $alg = $opt{alg} // 'HS256';
    my $claims = delete $opt{claims} // {};

    return jwt({ sub => 'ann', %$claims }, key => $key{$alg}, %opt);
}


# The same token with other claims, still with the old signature.
sub changed {
    my ($token, $claims) = @_;
    my ($header, undef, $signature) = split /\./, $token;
    my (undef, $payload) = split /\./, jwt($claims, key => 'x');

    return "$header.$payload.$signature";
}


# A token with the first 16 octets of its signature.
sub half {
    my ($token) = @_;
    return $token =~ s/\.([^.]{21})[^.]*\z/.$1A/r;
}


# The user that welcome names.
sub user {
    my ($t, $path, $token) = @_;
    my $ws = ws_connect($t, $path, token => $token);

    return 'status ' . ($ws->status() // $ws->error()) unless $ws->is_open();
    return $ws->recv_until('welcome')->{userId};
}


# One assertion: the token is let in.
sub accepted {
    my ($path, $name, $token, $user) = @_;
    is(user($t, $path, $token), $user // 'ann', $name);
}


# One assertion: these tokens are refused for this reason; one in brackets is
# an argument of the request.
sub refused {
    my ($path, $name, $reason, @list) = @_;
    my $code = $reason eq 'token expired' ? 'token_expired' : 'bad_token';
    my @wrong;

    for my $token (@list) {
        next if $token eq '';
        push_token(ref $token ? $token->[0] : $token);

        my $ws = ref $token ? ws_connect($t, "$path?token=$token->[0]")
                            : ws_connect($t, $path, token => $token);
        my $challenge = 'Bearer realm="conductor", error="invalid_token", '
                        . "error_description=\"$reason\"";
        my $json = $ws->body_json() || {};
        my $is = join ' ', $ws->status() // 'none',
            $ws->header('WWW-Authenticate') // '', $json->{code} // '',
            $ws->header('Content-Type') // '';

        $reasons{$reason}++;
        push @wrong, "$token: $is"
            if $is ne "401 $challenge $code application/json"
               || !$json->{error} || $ws->body() =~ /\Q$token\E/;
    }

    is(join("\n", @wrong), '', "refused: $name");
}


# Remembers a token that must not be in a log.
sub push_token {
    my ($token) = @_;
    push @tokens, $token if length $token > 20;
    return $token;
}


# A file outside of the test's directory.
sub slurp {
    my ($name) = @_;
    open my $f, '<:raw', $name or die "cannot open $name: $!\n";
    local $/;
    return <$f>;
}
