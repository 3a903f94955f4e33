#!/usr/bin/perl

# Tests of the test library itself: nginx, its log, the helpers, tokens.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/ :DEFAULT http_content http_end /;
use Test::Conductor;

use JSON::PP;
use MIME::Base64 qw/ decode_base64url /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/ http http_ssl rewrite socket_ssl /)
    ->has_daemon('openssl')->plan(52);

$t->write_file_expand('nginx.conf', conductor_conf(<<'CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    server {
        listen  127.0.0.1:8080;
        listen  127.0.0.1:8443 ssl;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location /file { alias %%TESTDIR%%/; }
        location /port { return 200 "%%PORT_8080%% %%PORT_8081%%"; }

        location /publish {
            if ($http_authorization != 'Bearer good') {
                return 401 '{"code":"forbidden"}';
            }
            return 200 '{"type":"$content_type","key":"$http_idempotency_key"}';
        }

        location /health {
            return 200 '{"status":"ok","probe":"$arg_probe"}';
        }
    }
}

CONF

my $dir = $t->testdir();

openssl_cert();
$t->write_file('a.txt', 'contents')->run();

###############################################################################

# Test::Nginx

like(http_get('/file/a.txt'), qr/^HTTP.1.1 200 .*contents$/s,
    'a file of the test is served to a GET');
unlike(http_head('/file/a.txt'), qr/contents/, 'a HEAD has no body');
like(http_get('/file/a.txt', SSL => 1), qr/contents$/, 'the same over TLS');
is(http_content(http_get('/port')), port(8080) . ' ' . port(8081),
    'ports are filled in where they are named');
is(http_content("HTTP/1.1 200 OK\x0d\x0aTransfer-Encoding: chunked\x0d\x0a"
    . "\x0d\x0a3\x0d\x0aabc\x0d\x0a2\x0d\x0ade\x0d\x0a0\x0d\x0a\x0d\x0a"),
    'abcde', 'chunks are put together');

my $s = http("GET /file/a.txt HTTP/1.0\x0d\x0a\x0d\x0a", start => 1);
like(http_end($s), qr/contents/, 'a request can be started and ended later');

SKIP: {
    skip 'the library of nginx-tests', 2 unless $t->can('find_in_file');

    is($t->find_in_file('a.txt', qr/tent/), 1, 'a file is searched');
    is($t->find_in_file('a.txt', qr/tint/), 0, 'what is not there not found');
}

ok($t->has_module('proxy') && $t->has_module('http_ssl'), 'modules are known');
ok(!$t->has_module('no_such'), 'so are those that are missing');
ok($t->has_version('1.9.5') && !$t->has_version('9.1'), 'versions compare');

isnt(port(8082), port(8083), 'two numbers are two ports');
is(port(8082), port(8082), 'one number is one port');
ok(!IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1',
    LocalPort => port(8082)), 'a port is locked for other tests');

is(scalar(worker_pids($t)), workers(), 'there are as many workers as wanted');
is(keeper_pid($t), undef, 'and no cache manager');

my @before = worker_pids($t);
my @old = reload_workers($t);

is_deeply(\@old, \@before, 'a reload replaces the workers');
ok(wait_gone(\@old), 'and the old ones end');
is(scalar(worker_pids($t)), workers(), 'new ones are as many');

my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
my ($worker) = worker_pids($t);

cmp_ok(fd_count($worker), '>', 3, 'open descriptors are counted');
cmp_ok(rss($worker), '>', 500_000, 'resident memory is known, in octets');

my ($ok, $said) = nginx_t($t, "%%TEST_GLOBALS%%\nevents {}\nhttp { bad; }\n");
ok(!$ok, 'nginx -t refuses a wrong configuration');
like($said, qr/unknown directive "bad".*check\.conf:/s, 'and says why');
($ok) = nginx_t($t, "%%TEST_GLOBALS%%\nevents {}\nhttp {}\n");
ok($ok, 'nginx -t accepts a right one');
is(($t->read_file('nginx.pid') =~ /(\d+)/)[0], $master,
    'and leaves the running nginx alone');

is_deeply([ verdict('') ], [ 'ok', 'ok' ], 'a clean log passes');
is_deeply([ verdict('2 [alert] 3: x') ], [ 'not ok', 'ok' ],
    'an alert in the log fails');
is_deeply([ verdict('2 [alert] 3: x', '->todo_alerts()') ],
    [ 'not ok TODO', 'ok' ], 'expected alerts are pardoned');
is_deeply([ verdict('[alert] signal 9', '->todo_alerts(qr/nal 9/)') ],
    [ 'not ok TODO', 'ok' ], 'an alert of the expected form is pardoned');
is_deeply([ verdict('[alert] signal 11', '->todo_alerts(qr/nal 9/)') ],
    [ 'not ok', 'ok' ], 'one of another form is not');
is_deeply([ verdict('==1==ERROR: LeakSanitizer: detected') ],
    [ 'ok', 'not ok' ], 'a report of a sanitizer in the log fails');
is_deeply([ verdict('a.c:3:4: runtime error: shift') ],
    [ 'ok', 'not ok' ], 'a report of undefined behaviour in the log fails');

{
    local $ENV{ASAN_OPTIONS} = 'a=1:log_path=%%TESTDIR%%/asan:b=2';
    is_deeply([ verdict('', '->write_file("asan.123", "ERROR")') ],
        [ 'ok', 'not ok' ], 'a report of a sanitizer in its own file fails');
    is_deeply([ verdict('') ], [ 'ok', 'ok' ], 'no such file passes');
}

{
    local $ENV{CI};
    like(child('$t->has("nonesuch")'), qr/^1\.\.0 # SKIP/m,
        'a missing dependency skips the file');
    $ENV{CI} = 1;
    unlike(child('$t->has("nonesuch")'), qr/^1\.\.0/m,
        'but fails where CI is set');
    isnt($?, 0, 'with a status');
}

like(child('$t->write_file("nginx.conf", "bad;"); $t->run()'),
    qr/unknown directive.*cannot start nginx/s, 'a failed start is explained');
like(child('$t->write_file("nginx.conf", "bad;"); $t->try_run("unable")'),
    qr/^1\.\.0 # SKIP unable/m, 'or skips the file');

###############################################################################

# Test::Conductor

my @got = health($t, probe => 'ready');
is_deeply([ @got[0, 1] ],
    [ 200, { status => 'ok', probe => 'ready' } ], 'health is asked for');
is((publish($t, {}))[0], 401, 'a publication can be refused');
@got = publish($t, [ { type => 'a' } ], token => 'good', key => 'k');
is_deeply([ @got[0, 1] ],
    [ 200, { type => 'application/json', key => 'k' } ], 'and accepted');

###############################################################################

# tokens

my $token = jwt({ sub => 'ann' }, key => 'secret', header => { kid => 'k' });
my ($head, $claims) = map { decode_json(decode_base64url($_)) }
                      (split /\./, $token)[0, 1];
is_deeply($head, { alg => 'HS256', typ => 'JWT', kid => 'k' }, 'a header');
cmp_ok($claims->{exp}, '>', time() + 3500, 'a token lasts an hour');

is(jwt({}, alg => 'HS256', header_text => "{\"typ\":\"JWT\",\x0d\x0a "
    . '"alg":"HS256"}', payload_text => "{\"iss\":\"joe\",\x0d\x0a "
    . "\"exp\":1300819380,\x0d\x0a \"http://example.com/is_root\":true}",
    key => decode_base64url('AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS'
    . '0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow')) =~ s/.*\.//r,
    'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk', 'RFC 7515, A.1: HS256');

for my $alg (qw/ RS256 ES256 ES384 EdDSA /) {
    my $key = jwt_key($alg);
    ok(verified($key, jwt({ sub => 'ann' }, key => $key)), "$alg verifies");
}

is_deeply(jwk({ alg => 'HS256', secret => 'abc' }, kid => 'k'),
    { alg => 'HS256', kid => 'k', kty => 'oct', k => 'YWJj', use => 'sig' },
    'a secret as a JWK');
is(join(' ', map { my $jwk = jwk(jwt_key($_));
                   map { length decode_base64url($jwk->{$_}) }
                   grep { exists $jwk->{$_} } qw/ n x y / }
             qw/ RS256 ES256 ES384 EdDSA /),
    '256 32 32 48 48 32', 'public keys as JWKs');

like(jwt({ a => 1, exp => undef }, alg => 'none'), qr/^[^.]+\.eyJhIjoxfQ\.$/,
    'alg none signs nothing, and exp can be left out');

###############################################################################

# What another test file prints: Perl code with an object in $t.
sub child {
    my ($code) = @_;

    put('child.pl', "use Test::More; use Test::Nginx;\n"
                    . "my \$t = Test::Nginx->new();\n$code;\n");
    return `$^X -Ilib $dir/child.pl 2>&1`;
}

# The two tests that a file with such an error log ends with.
sub verdict {
    my ($log, $more) = @_;
    my $out = child('$t->write_file("error.log", q{' . $log . '})->plan(0)'
                    . ($more // ''));

    return map { s/ \d+ - no (?:alerts|sanitizer errors)\s*//r
                 =~ s/# TODO.*/ TODO/r }
           grep { /^(?:not )?ok \d/ } split /\n/, $out;
}

# Whether openssl finds the signature of a token right.
sub verified {
    my ($key, $token) = @_;
    my ($text, $signature) = $token =~ /(.*)\.(.*)/;

    $signature = decode_base64url($signature);
    my ($bits) = $key->{alg} =~ /(\d+)/;

    if ($key->{alg} =~ /^ES/) {
        my @numbers = map { s/^\0+(?=[^\0])//r =~ s/^(?=[\x80-\xff])/\0/r }
                      unpack '(a' . length($signature) / 2 . ')2', $signature;
        my $der = join '', map { pack 'CC/a', 2, $_ } @numbers;
        $signature = pack 'CC/a', 0x30, $der;
    }

    put('signed', $text);
    put('signature', $signature);

    my $command = $key->{alg} eq 'EdDSA'
        ? "pkeyutl -verify -rawin -pubin -inkey $key->{public} "
          . "-in $dir/signed -sigfile $dir/signature"
        : "dgst -sha$bits -verify $key->{public} -signature $dir/signature "
          . "$dir/signed";

    return system("openssl $command >/dev/null 2>&1") == 0;
}

# A file of the test; $t in a function would outlive the tests.
sub put {
    my ($name, $content) = @_;

    open my $f, '>:raw', "$dir/$name" or die "cannot create $name: $!\n";
    print $f $content;
}

# A certificate for TLS.
sub openssl_cert {
    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
           . "-nodes -subj /CN=localhost -days 2 -keyout $dir/key.pem "
           . "-out $dir/cert.pem >/dev/null 2>&1") == 0
        or die "openssl failed\n";
}
