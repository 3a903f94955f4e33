#!/usr/bin/perl

# ./conductor start: what it refuses, and that what it accepts works.

use strict;
use warnings;

use Cwd qw/ getcwd abs_path /;
use Digest::SHA qw/ hmac_sha256_base64 /;
use File::Copy qw/ copy /;
use File::Temp qw/ tempdir /;
use IO::Socket::INET;
use MIME::Base64 qw/ decode_base64 /;
use Test::More;

use lib 't/lib';
use Test::Conductor::Started;

my $root = getcwd();
my $dir = tempdir(CLEANUP => 1);
my $secret = 'a secret with "quotes", $dollars, `ticks`; { braces } and \n';

delete @ENV{grep { /^(?:WEBSOCKET|DATABASE|REDIS|JWT|NEXTAUTH|CORS|RATE|SSL
                     |TRUSTED|PUBLISH|METRICS|LOG)_/x } keys %ENV};

# A checkout of its own around the module that was built.

chmod 0755, $dir;
mkdir "$dir/$_" for qw/ bin build here /;
symlink "$root/$_", "$dir/$_" for qw/ build-aux conf-examples share /;
symlink module(), "$dir/build/ngx_conductor_module.so";
copy("$root/conductor", "$dir/conductor");
chmod 0755, "$dir/conductor";

for my $name (qw/ make nginx /) {
    open my $fh, '>', "$dir/bin/$name" or die "$name: $!\n";
    print $fh "#!/bin/sh\n", $name eq 'make' ? "exit 0\n"
        : "exec '" . ($ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx')
          . "' \"\$@\"\n";
    close $fh;
    chmod 0755, "$dir/bin/$name";
}

$ENV{PATH} = "$dir/bin:$ENV{PATH}";


# Values that stop the start with one line.

my @wrong = (
    WEBSOCKET_PORT => [ '0', '65536', '80 ', '-1', '0x50', "80;\n", 'http',
                        '99999999999999999999', '5111; include /etc/passwd' ],
    RATE_LIMIT_WINDOW => [ '0', '1m', '1.5', '86400001' ],
    RATE_LIMIT_MAX_MESSAGES => [ '0', 'off', '-5', '1;' ],
    CORS_ORIGIN => [ 'example.com', 'http://', 'http://a/', 'http://a b',
                     'http://a:0', 'http://a:70000', 'http://a:', ',',
                     'http://a;b', 'http://a{', 'http://$host', "http://a\n}",
                     'http://[::1', 'http://[zz]', 'http://*', '://a' ],
    TRUSTED_PROXIES => [ '1.2.3', '1.2.3.4.5', '1.2.3.256', '1.2.3.4/33',
                         '1.2.3.4/', 'unix:', 'all', '1.2.3.4;', ':::',
                         '1:2:3:4:5:6:7:8:9', '1::2::3', '::1/129', '12345::',
                         '1:2', ':1', '1.2.3.4/8/8', '::1.2.3', '*' ],
    PUBLISH_ALLOW => [ 'all', 'localhost', '127.0.0.1 }', '$remote_addr' ],
    METRICS_ALLOW => [ 'all', '10.0.0.0/33', '10.0.0.1; }', 'prometheus' ],
    LOG_LEVEL => [ 'verbose', 'INFO', 'info;', 'stderr' ],
    SSL_ENABLED => [ 'maybe', 'TRUE;' ],
    SSL_VERIFY_CLIENT => [ 'optional_no_ca' ],
    REDIS_PORT => [ 'x', '0', '65536' ],
    REDIS_HOST => [ 'a b', 'a;', 'a:b', '$host', "a\n}", 'redis://a' ],
    DATABASE_PATH => [ '/', '.', 'bin/..', "$dir/here", '/dev/null',
                       "$dir/none/tasks.db", 'none/tasks.db', "a/b\n" ],
);

while (my ($name, $values) = splice @wrong, 0, 2) {
    for my $value (@$values) {
        (my $shown = $value) =~ s/\n/?/g;
        my ($status, $said) = refused($name => $value);

        ok($status == 1 && $said =~ /^conductor:\ \Q$name\E\ is\ "\Q$shown\E":
                                     \ expected\ [^\n]+\n\z/x,
            "$name \"$shown\" stops the start with one line") or diag($said);
    }
}

like((refused(SSL_ENABLED => 'true'))[1],
    qr/^conductor: SSL_CERT_PATH is "": expected a file.*\n\z/,
    'TLS needs a certificate');

is((refused(REDIS_URL => 'http://:hidden@h'))[1],
    'conductor: REDIS_URL is "...": expected redis://HOST:PORT,'
    . " rediss://HOST:PORT or unix:PATH\n",
    'what is no address of Redis stops the start, and is not shown');
is((refused(REDIS_URL => 'redis://:hidden@h:x'))[1],
    'conductor: REDIS_URL cannot be used: a port is a number from 1 to 65535'
    . "\n", 'so does one that is wrong in a part');

my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
is((refused(WEBSOCKET_PORT => $taken->sockport()))[1],
    'conductor: port ' . $taken->sockport() . ' is in use by another program:'
    . ' stop that, or choose another port: WEBSOCKET_PORT=5112 ./conductor'
    . " start\n", 'a port in use stops the start with one line');
close $taken;


# A server with all defaults but the port.

my $port = at_port(free_port());
my $log = "$dir/start.log";
my $pid = start(WEBSOCKET_PORT => $port);

my $text = ready() or BAIL_OUT("not started:\n" . slurp($log));
my ($alice, $bob) = $text =~ m{http://localhost:$port/\#token=(\S+)}g;

ok($alice && $bob, 'it prints two addresses of the dashboard');
like($text, qr/^\s+curl .*"taskId":"T01".* http:\S+:$port\/publish$/m,
    'and a line that publishes an event');
is(mode("$dir/.conductor/secret"), '0600', 'nobody else can read the secret');

my $key = slurp("$dir/.conductor/secret");
ok(length $key >= 32, 'the secret has 32 bytes or more');
is(claims($alice, $key), 'alice architect', 'the first is for alice');
is(claims($bob, $key), 'bob reviewer', 'the second is for bob');

like(get('/'), qr/^HTTP\S+ 200 .*Content-Security-Policy.*<h1>Conductor/s,
    'the page is at /');
like(get('/'), qr/^X-Content-Type-Options: nosniff/m, 'and is what it is');
like(get('/'), qr/^Referrer-Policy: no-referrer/m, 'and tells nobody of it');
my ($script) = get('/') =~ m{src="\./(assets/[^"]+)"};
like(get("/$script"), qr/^HTTP\S+ 200 .*text\/javascript/s,
    'with its script');
like(get('/health'), qr/^HTTP\S+ 200 .*"status".*"redis":"disabled"/s,
    'health is at /health, without Redis');

like(get('/metrics'), qr/^HTTP\S+ 200 .*"websocket_connections_total"/s,
    'figures are at /metrics');
like(get('/metrics/prometheus'),
    qr/^HTTP\S+ 200 .*^websocket_connections_total\{/ms,
    'and for Prometheus');

like($text, qr/^\s+sqlite3 tasks\.db "SELECT \* FROM reviewer_presence;"$/m,
    'and how to see who is here');

my $client = websocket($bob);
like(heard($client, qr/"type":"welcome"/), qr/"userId":"bob"/,
    'a client with the second token is bob');

SKIP: {
    skip 'sqlite3 not installed', 4 if system('command -v sqlite3 > /dev/null');

    my ($line) = $text =~ /^\s+(sqlite3 .*)$/m;
    like(rows($line, qr/^bob\|/m), qr/^bob\|online\|\|\d+\|\d+\|\d+\b/m,
        'the line shows who is here');

    my $update = '{"type":"presence-update","status":"busy",'
        . '"currentFeature":"search"}';
    syswrite $client, pack 'CCNa*', 0x81, 0x80 | length $update, 0, $update;
    like(rows($line, qr/busy/), qr/^bob\|busy\|search\|\d+\|\d+\|\d+\b/m,
        'and what they are doing');

    my $clean = $line =~ s/SELECT \*/DELETE/r
        =~ s/;"$/ WHERE expires_at < strftime('%s', 'now');"/r;
    is(rows($clean, qr/\A\z/), '', 'what has expired can be deleted by hand');
    like(rows($line, qr/^bob/m), qr/^bob/m, 'who is here has not');
}

SKIP: {
    skip 'curl not installed', 2 if system('command -v curl > /dev/null');

    my ($line) = $text =~ /^\s+(curl .*)$/m;
    like(`$line 2> $dir/curl.log`, qr/^\{"accepted":1,/, 'the line publishes');
    like(heard($client, qr/"eventId"/), qr/"newStatus":"InReview"/,
        'and the client gets the event');
}

is(publish(), 200, 'this machine may publish without a token');
is(publish($alice), 200, 'an architect may publish');
is(publish($bob), 403, 'a reviewer may not, from this machine either');
is(publish('x'), 401, 'a bad token is worse than none');

is(admin(), 200, 'this machine may administer');
is(admin('X-Forwarded-For: 127.0.0.1'), 403, 'what a proxy brings may not');
is(admin('Forwarded: for=127.0.0.1'), 403, 'however it says so');
is(admin('Host: example.com'), 403,
    'nor a page of another name that leads here');
is(admin("Authorization: Bearer $alice", 'Via: 1.1 proxy'), 403,
    'with no token either');
like(get('/metrics', 'Via: 1.1 proxy'), qr/^HTTP\S+ 403 /,
    'nor read the figures');
like(get('/metrics', 'Host: example.com'), qr/^HTTP\S+ 403 /,
    'nor does a page of another name that leads here');

my ($status, $said) = refused(WEBSOCKET_PORT => free_port());
is($said, "conductor: already running from this checkout; \"kill $pid\" stops"
    . " it, and another server takes a checkout of its own\n",
    'a second one is refused');

stopped('INT');


# Another start: the same secret; then the user's own, whatever is in it.

$pid = start(WEBSOCKET_PORT => $port);
ready();
is(slurp("$dir/.conductor/secret"), $key, 'the secret survives a restart');
like(heard(websocket($alice), qr/"type":"welcome"/), qr/"userId":"alice"/,
    'so the tokens of the first start are still good');
stopped('QUIT');

$pid = start(WEBSOCKET_PORT => $port, NEXTAUTH_SECRET => $secret,
    CORS_ORIGIN => 'https://a.example:8443, https://*.b.example http://[::1]',
    TRUSTED_PROXIES => '10.0.0.0/8,::1,127.0.0.1', PUBLISH_ALLOW => '10.1.2.3',
    METRICS_ALLOW => '10.1.2.4/31 2001:db8::/32', LOG_LEVEL => 'info',
    RATE_LIMIT_WINDOW => 1500, RATE_LIMIT_MAX_MESSAGES => 7,
    REDIS_URL => 'unix:/none:1', REDIS_HOST => 'h');

$text = ready() // '';
($alice) = $text =~ /#token=(\S+)/;
is(claims($alice, $secret), 'alice architect', 'a secret of any characters');
like($text, qr/curl -H 'Authorization: Bearer \Q$alice\E'/,
    'the line to publish has a token where the address alone is not enough');

is(publish(), 401, 'this machine may not publish if another is named');
is(publish($alice), 200, 'unless with the token of an architect');
like(request('OPTIONS /publish', [ 'Origin: https://a.example:8443',
    'Access-Control-Request-Method: POST', 'Connection: close' ])->getline(),
    qr/ 204 /, 'a page of another origin may ask first');

is(admin('X-Forwarded-For: 127.0.0.1'), 403,
    'a trusted proxy cannot bring an administrator');

my $conf = slurp("$dir/.conductor/nginx.conf");
like($conf, qr/limit_messages  7 per=1500ms;/, 'the rate reaches nginx');
like($conf, qr{allow    10\.1\.2\.4/31;\n +allow    2001:db8::/32;\n +deny},
    'so does who may read the figures');
is((get('/metrics') =~ /^HTTP\S+ (\d+)/)[0], 403,
    'which this machine then may not');
like($conf, qr/set_real_ip_from   ::1;/, 'so do the proxies');
like($conf, qr/redis +env:REDIS_URL;/, 'and where Redis is');
like(get('/health'), qr/"status":"degraded".*"redis":"degraded"/s,
    'without which it works alone');

my $refused = websocket('no-token');
like(logged("$dir/.conductor/logs/access.log", qr/bad_token/),
    qr{"GET /[^"]*" 401 \d+ "[^"]*" bad_token -$}m,
    'the access log has the cause of a refusal');
like(logged($log, qr/bad_token/), qr/\[info\].*handshake refused: bad_token: malformed token/,
    'and, if asked, the error log more of it');

unlike($conf, qr/\@[A-Z]+\@/, 'no name is left in the configuration');
stopped('TERM');


# The database: where it was asked for, or, where only root can write, in a
# directory of the worker's.

SKIP: {
    skip 'not root', 7 if $>;
    skip 'no user www-data', 7 unless defined getpwnam 'www-data';

    ok(-l "$dir/here/tasks.db", 'in a directory of root there is a link');
    is(owner(readlink("$dir/here/tasks.db") =~ s{/[^/]+$}{}r), 'www-data',
        'to a directory of the worker');

    my $own = "$dir/it's \"\$own\"";
    mkdir $own;
    chown scalar getpwnam('www-data'), -1, $own;

    $pid = start(WEBSOCKET_PORT => $port, DATABASE_PATH => "$own/a b.db");
    like(ready() // slurp($log),
        qr/^\s+sqlite3 '\Q$dir\E\/it'\\''s "\$own"\/a b\.db' "SELECT/m,
        'any path is printed for the shell');
    is(readlink("$dir/.conductor/tasks.db"), "$own/a b.db",
        'a directory that the worker can write has the file');
    stopped('QUIT');

    open my $fh, '>', "$dir/here/old.db";
    close $fh;
    like((refused(DATABASE_PATH => 'old.db'))[1],
        qr/^conductor: www-data, who runs nginx's workers, cannot write [^\n]+\n\z/,
        'an old file that the worker cannot write stops the start');
}


# TLS, with a chain, a passphrase and certificates of clients.

SKIP: {
    skip 'openssl not installed', 10
        if system("openssl version > $dir/openssl.log 2>&1");

    tls_files();

    my %tls = (SSL_ENABLED => 'true', SSL_CERT_PATH => "$dir/ce rt.pem",
        SSL_KEY_PATH => "$dir/ke;y.pem");

    my @refused = (
        'a key that is none' => { SSL_KEY_PATH => "$dir/ce rt.pem" },
        qr/SSL_KEY_PATH is .* expected .* private key in PEM form/,

        'an encrypted key without a passphrase' => {},
        qr/the key in SSL_KEY_PATH is encrypted: set SSL_PASSPHRASE/,

        'a wrong passphrase' => { SSL_PASSPHRASE => 'wrong' },
        qr/the key in SSL_KEY_PATH cannot be read with this SSL_PASSPHRASE/,

        'the key of another' => { SSL_KEY_PATH => "$dir/ca.key" },
        qr/SSL_KEY_PATH is not the key of the certificate in SSL_CERT_PATH/,

        'a chain that is none' =>
        { SSL_CA_PATH => "$dir/csr.pem", SSL_PASSPHRASE => 'wrong' },
        qr/SSL_CA_PATH is .* expected .* certificate in PEM form/,
    );

    while (my ($name, $env, $re) = splice @refused, 0, 3) {
        local @ENV{keys %tls} = values %tls;
        local @ENV{keys %$env} = values %$env;

        like((refused(WEBSOCKET_PORT => $port))[1],
            qr/^conductor: $re\n\z/m, "$name stops the start with one line");
    }

    $pid = start(WEBSOCKET_PORT => $port, %tls,
        SSL_CA_PATH => "$dir/ca.pem", SSL_VERIFY_CLIENT => 'on',
        SSL_PASSPHRASE => 'pass "word" $1');

    like(ready() // slurp($log), qr{https://localhost:$port/#token=},
        'it starts with TLS');

    is(mode("$dir/.conductor/tls"), '0700', 'nobody else sees the passphrase');

    my $chain = `openssl s_client -connect 127.0.0.1:$port -showcerts \\
                 < /dev/null 2>&1`;
    is(scalar(() = $chain =~ /BEGIN CERTIFICATE/g), 2, 'it sends the chain');

    stopped('QUIT');
}

done_testing();


sub module {
    my ($so) = ($ENV{TEST_NGINX_GLOBALS} // '') =~ /load_module\s+(\S+);/;
    return abs_path($so // 'build/ngx_conductor_module.so');
}


# What a command prints, in the directory of the start, once it matches.
sub rows {
    my ($command, $re) = @_;
    my $printed = '';

    for (1 .. 100) {
        $printed = `cd $dir/here && $command 2>&1`;
        last if $printed =~ $re;
        select undef, undef, undef, 0.05;
    }

    return $printed;
}


sub owner { return scalar getpwuid((stat $_[0])[4]) }
sub mode { return sprintf '%04o', (stat $_[0])[2] & 07777 }


# Runs a start that ends by itself.
sub refused {
    my ($name, $value) = @_;
    local $ENV{$name} = $value;
    my $said = `cd $dir/here && timeout 20 $dir/conductor start 2>&1`;
    return ($? >> 8, $said);
}


sub start {
    my (%env) = @_;

    unlink $log;
    my $child = fork() // die "fork: $!\n";
    return $child if $child;

    @ENV{keys %env} = values %env;
    open STDOUT, '>', $log;
    open STDERR, '>&', \*STDOUT;
    chdir "$dir/here";
    exec "$dir/conductor", 'start';
    exit 1;
}


# What was printed, once all is there.
sub ready {
    for (1 .. 200) {
        my $printed = slurp($log);
        return $printed if $printed =~ /Ctrl-C stops/;
        select undef, undef, undef, 0.05;
    }
    return;
}


sub stopped {
    my ($signal) = @_;
    my @children = children($pid);

    kill $signal, $pid;
    waitpid $pid, 0;
    is($?, 0, "it ends in peace after $signal");
    is(join(' ', grep { kill 0, $_ } @children), '', 'and leaves no process');
}


# The status of a publication, with or without a token.
sub publish {
    my ($token) = @_;

    return post('/publish', '{"type":"task-status-changed","taskId":"T01",'
        . '"featureSlug":"f","oldStatus":"InProgress","newStatus":"InReview"}',
        defined $token ? "Authorization: Bearer $token" : ());
}


# The status of a notification, with these headers.
sub admin { return post('/admin/notifications', '{"message":"m"}', @_) }


# The user and the role, if the signature is right and the time not over.
sub claims {
    my ($token, $with) = @_;
    my ($head, $body, $signature) = split /\./, $token // '..';

    (my $wanted = hmac_sha256_base64("$head.$body", $with)) =~ tr{+/}{-_};
    return 'a wrong signature' unless $wanted eq ($signature // '');

    my ($sub, $role, $exp) = decode_base64($body =~ tr{-_}{+/}r)
        =~ /^\{"sub":"(\w+)","role":"(\w+)","iat":\d+,"exp":(\d+)\}$/;

    return 'an expired token' unless ($exp // 0) > time();
    return "$sub $role";
}


sub tls_files {
    my $new = "openssl req -new -newkey rsa:2048 -batch";

    system("exec > $dir/openssl.log 2>&1; cd $dir
        $new -x509 -days 2 -nodes -subj /CN=ca -keyout ca.key -out ca.pem &&
        $new -passout 'pass:pass \"word\" \$1' -subj /CN=localhost \\
            -keyout 'ke;y.pem' -out csr.pem &&
        openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key \\
            -CAcreateserial -days 2 -out 'ce rt.pem'") == 0
        or diag(slurp("$dir/openssl.log"));
}
