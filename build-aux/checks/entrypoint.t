#!/usr/bin/perl

# The entry point of the image, run from a checkout: what it refuses, in one
# line that never shows a secret, and how the server lives and ends.

use strict;
use warnings;

use Cwd qw/ getcwd abs_path /;
use Digest::SHA qw/ hmac_sha256_base64 /;
use File::Temp qw/ tempdir /;
use IO::Socket::INET;
use IO::Socket::UNIX;
use MIME::Base64 qw/ encode_base64 /;
use Socket qw/ AF_UNIX SOCK_STREAM PF_UNSPEC /;
use Test::More;

use lib 't/lib';
use Test::Conductor::Started;

my $dir = tempdir(CLEANUP => 1);
my $data = "$dir/data";
my $secret = 'hidden, but of thirty-two bytes: "$x`';
my $event = '{"type":"task-status-changed","taskId":"T01","featureSlug":"f",'
    . '"oldStatus":"InProgress","newStatus":"InReview"}';

my $nobody = !$> && defined getpwnam 'www-data';
my @as = $nobody
    ? qw/ setpriv --reuid=www-data --regid=www-data --clear-groups / : ();
my $me = $nobody ? 'www-data' : getpwuid $>;

delete @ENV{grep { /^(?:WEBSOCKET|DATABASE|REDIS|JWT|NEXTAUTH|CORS|RATE|SSL
                     |TRUSTED|PUBLISH|METRICS|LOG|NGINX)_?/x } keys %ENV};

my $port = at_port(free_port());
my ($out, $err) = ("$dir/stdout", "$dir/stderr");
my ($pid, $entrypoint, $health) = lay_out();


# What stops the start: one line, which says what to add.

write_file("$dir/empty", '');
write_file("$dir/secret", "$secret\n");
write_file("$dir/unreadable", "$secret\n");
chmod 0, "$dir/unreadable";
tls_files();

my @refused = (
    'no secret' => { JWT_SECRET => undef },
    qr/no JWT_SECRET: set it, or JWT_SECRET_FILE, to what your tokens are/,

    'an empty secret' => { JWT_SECRET => '' }, qr/no JWT_SECRET: set it/,

    'a secret that is given twice' => { JWT_SECRET_FILE => "$dir/secret" },
    qr/JWT_SECRET and JWT_SECRET_FILE are both set: leave one of them out/,

    'a secret in place of its file' =>
    { JWT_SECRET => undef, JWT_SECRET_FILE => $secret },
    qr/JWT_SECRET_FILE names no file that \Q$me\E can read/,

    'an empty file of a secret' =>
    { JWT_SECRET => undef, JWT_SECRET_FILE => "$dir/empty" },
    qr/the file that JWT_SECRET_FILE names is empty/,

    'a wrong address of Redis' => { REDIS_URL => 'http://:hidden@h' },
    qr/REDIS_URL is "\.\.\.": expected redis:/,

    'one in a file' => { REDIS_URL_FILE => "$dir/secret" },
    qr/REDIS_URL is "\.\.\.": expected redis:/,

    'TLS without a certificate' => { SSL_ENABLED => 'true' },
    qr/SSL_CERT_PATH is "": expected a file/,

    'a key without its passphrase' => { tls() },
    qr/the key in SSL_KEY_PATH is encrypted: set SSL_PASSPHRASE/,

    'a key with a wrong one' => { tls(), SSL_PASSPHRASE => 'hidden' },
    qr/the key in SSL_KEY_PATH cannot be read with this SSL_PASSPHRASE/,

    'a key with a wrong one in a file' =>
    { tls(), SSL_PASSPHRASE_FILE => "$dir/secret" },
    qr/the key in SSL_KEY_PATH cannot be read with this SSL_PASSPHRASE/,

    'a host of Redis with a password' =>
    { REDIS_HOST => 'redis://:hidden@h' },
    qr/REDIS_HOST is "\.\.\.": expected the name/,

    'a key where links to keys are made anew' =>
    { tls(), SSL_KEY_PATH => './tls/key.pem' },
    qr/SSL_KEY_PATH is in \S+, which each start makes anew: keep it elsewhere/,

    'a directory in place of a mounted nginx.conf' =>
    { CONDUCTOR_CONF => $dir },
    qr/\Q$dir\E is no file: is the one there that is to be mounted\?/,

    'a database in no directory' => { DATABASE_PATH => '/none/tasks.db' },
    qr/DATABASE_PATH is .* expected a file in a directory that exists/,

    'no volume' => { CONDUCTOR_DATA => "$dir/none" },
    qr/there is no directory \Q$dir\E\/none: mount a volume there/,
);

push @refused, map { ("$_->[0] \"$_->[1]\"" => { $_->[0] => $_->[1] },
                      qr/\Q$_->[0]\E is "\Q$_->[1]\E": expected/) }
    [ WEBSOCKET_PORT => 'http' ], [ RATE_LIMIT_WINDOW => '1m' ],
    [ RATE_LIMIT_MAX_MESSAGES => '0' ], [ CORS_ORIGIN => 'example.com' ],
    [ TRUSTED_PROXIES => 'all' ], [ PUBLISH_ALLOW => 'web' ],
    [ METRICS_ALLOW => 'prometheus' ], [ SSL_ENABLED => 'maybe' ],
    [ REDIS_PORT => 'x' ], [ REDIS_HOST => 'a b' ];

my @unwritable = ($nobody || $>) ? (
    'a volume that it cannot write' => { CONDUCTOR_DATA => "$dir/foreign" },
    qr/user \Q$me\E cannot write all of .*: mount a volume there that \d+ owns/,

    'a volume that it cannot enter' => { CONDUCTOR_DATA => "$dir/closed" },
    qr/user \Q$me\E cannot write all of .*: mount a volume there that \d+ owns/,

    'a database that it cannot write' =>
    { DATABASE_PATH => "$dir/foreign/tasks.db" },
    qr/user \Q$me\E cannot write the database .*: choose a DATABASE_PATH in/,

    'a file that it cannot read' =>
    { JWT_SECRET => undef, JWT_SECRET_FILE => "$dir/unreadable" },
    qr/JWT_SECRET_FILE names no file that \Q$me\E can read/,

    'a mounted nginx.conf that it cannot read' =>
    { CONDUCTOR_CONF => "$dir/unreadable" },
    qr/user \Q$me\E cannot read .*unreadable/,
) : ();

my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
push @unwritable, 'a port in use' => { WEBSOCKET_PORT => $taken->sockport() },
    qr/port \d+ is in use by another program: stop that, or choose another/;

push @refused, @unwritable;

while (my ($name, $env, $re) = splice @refused, 0, 3) {
    my ($status, $said) = ends(%$env);

    ok($status == 1 && $said =~ /\Aconductor: [^\n]+\n\z/ && $said =~ $re
            && $said !~ /hidden/,
        "$name stops the start with one line") or diag("$status: $said");
}

is((ends(JWT_SECRET => undef, args => [ 'echo', 'other' ]))[1], "other\n",
    'another program can be run in its place');


# A life: secrets in files, lines where an engine collects them.

unhealthy('before it runs', qr/not started/);

$pid = start(JWT_SECRET => undef, JWT_SECRET_FILE => "$dir/secret",
    REDIS_URL_FILE => "$dir/redis", DATABASE_PATH => './tasks.db');
healthy('with secrets in files');

like(get('/'), qr/^HTTP\S+ 200 .*<h1>Conductor/s, 'the dashboard is at /');
like(get('/health'), qr/"redis":"degraded"/, 'the address of Redis is read');
ok(wait_for(sub { -s "$data/tasks.db" }),
    'the database is in the volume');

my $client = websocket(token());
like(heard($client, qr/"type":"welcome"/), qr/"userId":"ann"/,
    'tokens of the secret in the file are good');
is(publish(), 200, 'an event is taken');
my ($last) = heard($client, qr/"eventId":"[^"]+"/) =~ /"eventId":"([^"]+)"/;
ok($last, 'and arrives');

like(logged($out, qr/POST/), qr/^127\.0\.0\.1 \[.*"POST \/publish /m,
    'access lines are on stdout');
like(logged($out, qr/"publish"/), qr/^\{"time":.*"event":"publish".*\}$/m,
    'so are audit lines');
unlike(slurp($out), qr/\[(?:warn|error|crit|alert)\]/, 'and errors are not');
like(slurp($err), qr/\Aconductor: starting nginx on port $port/,
    'the first line of stderr says what starts');
like(logged($err, qr/alone/), qr/\[error\].*goes on alone/,
    'errors are there too');
unlike(slurp($out) . slurp($err), qr/hidden/, 'no secret is in any line');
unlike(join('', map { slurp($_) } glob "$data/* $data/tls/*"), qr/hidden/,
    'and none is in the volume');

my ($status, $said) = ends(WEBSOCKET_PORT => free_port());
is($said, "conductor: another server runs on $data: give each a volume of its"
    . " own\n", 'a second server on the volume is refused');
healthy('with the first, which is not disturbed');

kill 'QUIT', $pid;
like(heard($client, qr/\x88.\x03\xf4/s), qr/retry=\d+/,
    'QUIT sends clients on, with 1012');
ended('QUIT');
unhealthy('when it has ended', qr/not started/);


# After a death without an end, and with what was said and done before.

$pid = start();
healthy('with the same volume');
like(heard(websocket(token()), qr/"type":"welcome".*\}/),
    qr/"lastEventId":"\Q$last\E"/, 'its events are still there');
my @dead = ($pid, children($pid));
kill 'KILL', @dead;
waitpid $pid, 0;
wait_for(sub { !grep { kill 0, $_ } @dead });

ok(-S "$data/health.sock" && -s "$data/nginx.pid",
    'who was killed leaves a socket and a process id');
unhealthy('when it was killed', qr/health\.sock: Connection refused/);

$pid = start();
healthy('nevertheless');
is(join(' ', grep { slurp("/proc/$_/environ") =~ /hidden/ }
        $pid, children($pid)), '', 'no process shows the secret');

is(admin('/admin/drain'), 200, 'who drains it');
unhealthy('for new clients', qr/^503 .*"draining":true/);
ok(!system("$health live > $dir/said"), 'but is told that it lives');
ended('TERM');


# What lies where files of the server belong, and a database of another name.

my $own = "$data/database";

write_file("$dir/kept", 'kept');
system("cd $data && rm -rf in-use nginx.conf temp && mkfifo temp &&
    ln -s $dir/kept in-use && ln -s $dir/kept nginx.conf &&
    mkdir health.sock nginx.pid stdout &&
    chown -h --reference=. * && chown --reference=. $dir/kept") == 0 or BAIL_OUT('no links');

$pid = start(DATABASE_PATH => './database');
healthy('on a damaged volume');
is(slurp("$dir/kept"), 'kept', 'links there are not followed');
ok(wait_for(sub { -f $own && -s $own }), 'the database may be "database"');
ended('QUIT');


# Signals that come while nginx does not handle them yet.

SKIP: {
    skip 'no first process without unshare by root', 2 if $>;

    for my $signal (qw/ QUIT TERM /) {
        my ($first, $unshare) = first();

        kill $signal, $first;
        ok(wait_for(sub { !kill 0, $first }),
            "the first process ends by $signal while nginx starts")
            or kill 'KILL', $first;
        waitpid $unshare, 0;
    }
}


# Where lines can go to.

pipe my $reader, my $writer;
$pid = start(stdout => $writer);
close $writer;
like(heard($reader, qr/"event":"connect".*\n/, websocket(token())),
    qr/^\{"time":.*"event":"connect".*\}$/m, 'stdout may be a pipe');
ended('QUIT');

socketpair my $near, my $far, AF_UNIX, SOCK_STREAM, PF_UNSPEC;
$pid = start(stdout => $far);
close $far;
like(heard($near, qr/"event":"connect".*\n/, websocket(token())),
    qr/^\{"time":.*"event":"connect".*\}$/m, 'or a socket');
ended('QUIT');
like(heard($near, qr/\z./), qr/"event":"disconnect"/,
    'and all of it has come when nobody is left who writes to it');


# TLS, with clients that need a certificate: the check does not.

write_file("$dir/passphrase", "pass \"word\" \$1\n");

$pid = start(tls(), SSL_PASSPHRASE_FILE => "$dir/passphrase",
    SSL_CA_PATH => "$dir/ca.pem", SSL_VERIFY_CLIENT => 'on');
healthy('with TLS and certificates of clients');
is(readlink("$data/tls/passphrase"), "$dir/passphrase",
    'the passphrase stays in its file');
ended('QUIT');


# A mounted nginx.conf replaces what the environment says.

for my $daemon ('', 'daemon off;') {
    my $conf = mounted($daemon);

    $pid = start(CONDUCTOR_CONF => $conf, JWT_SECRET => undef,
        JWT_SECRET_FILE => "$dir/secret", WEBSOCKET_PORT => 'not read');

    like(heard(websocket(token()), qr/welcome/), qr/"userId":"ann"/,
        'a mounted nginx.conf is used, with the secret of the file');
    like(`CONDUCTOR_CONF=$conf $health`, qr/\Anot asked: .*health\.sock/,
        'the check has nobody to ask') unless $daemon;
    ended('QUIT');
}

done_testing();


# lay_out(): the files as they lie in the image.
sub lay_out {
    my $root = getcwd();
    my ($so) = ($ENV{TEST_NGINX_GLOBALS} // '') =~ /load_module\s+(\S+);/;
    my $module = abs_path($so // 'build/ngx_conductor_module.so');

    chmod 0755, $dir;
    mkdir "$dir/$_" for qw/ bin closed data foreign image /;
    chmod 0, "$dir/closed";
    chown scalar getpwnam('www-data'), -1, $data if $nobody;
    chmod 0555, "$dir/foreign" if $>;

    write_file("$dir/redis", "redis://:hidden\@127.0.0.1:1\n");
    write_file("$dir/bin/nginx", "#!/bin/sh\nexec '"
        . ($ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx') . "' \"\$@\"\n");
    chmod 0755, "$dir/bin/nginx";

    system("$root/build-aux/image/install", "$dir/image", $module) == 0
        or BAIL_OUT('not installed');

    $ENV{PATH} = "$dir/bin:$ENV{PATH}";
    $ENV{CONDUCTOR_SHARE} = "$dir/image/usr/share/conductor";
    $ENV{CONDUCTOR_MODULE} = "$dir/image/usr/lib/nginx/modules/"
        . 'ngx_conductor_module.so';
    $ENV{CONDUCTOR_DATA} = $data;
    $ENV{CONDUCTOR_CONF} = "$dir/none";
    $ENV{JWT_SECRET} = $secret;
    $ENV{WEBSOCKET_PORT} = $port;

    return (0, map { "$ENV{CONDUCTOR_SHARE}/$_" } qw/ entrypoint health /);
}


sub mounted {
    my ($daemon) = @_;

    write_file("$dir/nginx.conf", <<"EOF_CONF");
$daemon
load_module $ENV{CONDUCTOR_MODULE};
pid         $data/nginx.pid;
error_log   stderr;

events {
}

http {
    access_log  /dev/stdout;

    client_body_temp_path  $data/temp/body;
    proxy_temp_path        $data/temp/proxy;
    fastcgi_temp_path      $data/temp/fastcgi;
    uwsgi_temp_path        $data/temp/uwsgi;
    scgi_temp_path         $data/temp/scgi;

    conductor_hub h {
        zone   4m;
        state  $data/state;
    }

    server {
        listen  127.0.0.1:$port;

        location / {
            conductor          h;
            conductor_jwt_key  HS256 env:JWT_SECRET;
        }
    }
}
EOF_CONF

    return "$dir/nginx.conf";
}


sub write_file {
    my ($name, $text) = @_;
    open my $fh, '>', $name or die "$name: $!\n";
    print $fh $text;
    close $fh;
}


# Runs the entry point in place of this process.
sub run {
    my (%env) = @_;
    my @args = @{delete $env{args} || []};

    for (keys %env) {
        defined $env{$_} ? ($ENV{$_} = $env{$_}) : delete $ENV{$_};
    }

    chdir $dir;
    exec @as, $entrypoint, @args;
    exit 127;
}


# The status, and all that was said, of a start that ends by itself.
sub ends {
    my (%env) = @_;

    my $child = open(my $fh, '-|') // die "fork: $!\n";

    if (!$child) {
        open STDERR, '>&', \*STDOUT;
        alarm 20;
        run(%env);
    }

    my $said = do { local $/; <$fh> } // '';
    close $fh;
    return ($? >> 8, $said);
}


sub start {
    my (%env) = @_;
    my $stdout = delete $env{stdout};

    unlink $err;
    my $child = fork() // die "fork: $!\n";

    if (!$child) {
        open STDERR, '>', $err;
        $stdout ? open(STDOUT, '>&', $stdout) : open(STDOUT, '>', $out);
        run(%env);
    }

    # before it says so, it is "nginx -t" that listens

    wait_for(sub { slurp($err) =~ /^conductor: starting nginx/m && listens()
                || waitpid($child, 1) })
        && listens() or BAIL_OUT("not started:\n" . slurp($err));
    return $child;
}


# The entry point as the first process of others, when nginx begins.
sub first {
    my $unshare = fork() // die "fork: $!\n";

    if (!$unshare) {
        open STDOUT, '>', $out;
        open STDERR, '>', $err;
        unshift @as, qw/ unshare --pid --fork --kill-child /;
        run();
    }

    my $first;
    wait_for(sub { ($first) = children($unshare) });
    1 while slurp("/proc/$first/comm") ne "nginx\n" && kill 0, $first;

    return ($first, $unshare);
}


sub healthy {
    my ($name) = @_;
    my $said;

    ok(wait_for(sub { $said = `$health 2>&1`; $? == 0 }),
        "it is healthy $name") or diag($said);
}


sub unhealthy {
    my ($name, $re) = @_;
    my $said = `$health 2>&1`;

    ok($? >> 8 == 1 && $said =~ $re, "it is not healthy $name")
        or diag($said);
}


# Ends with this signal, or has got it.
sub ended {
    my ($signal) = @_;
    my @children = children($pid);

    kill $signal, $pid;
    waitpid $pid, 0;
    is($?, 0, "it ends in peace after $signal");
    ok(wait_for(sub { !grep { kill 0, $_ } @children }),
        'and leaves no process');
}


sub publish { return post('/publish', $event) }
sub admin { return post($_[0], '{}') }


sub base64url { return encode_base64($_[0], '') =~ tr{+/=}{-_}dr }


sub token {
    my $signed = base64url('{"alg":"HS256","typ":"JWT"}') . '.'
        . base64url('{"sub":"ann","role":"architect","exp":'
                    . (time() + 600) . '}');

    return "$signed."
        . (hmac_sha256_base64($signed, $secret) =~ tr{+/}{-_}r);
}


sub tls {
    return (SSL_ENABLED => 'true', SSL_CERT_PATH => "$dir/certificate.pem",
        SSL_KEY_PATH => "$dir/key.pem");
}


sub tls_files {
    my $new = "openssl req -new -newkey rsa:2048 -batch";

    system("exec > $dir/openssl.log 2>&1; cd $dir
        $new -x509 -days 2 -nodes -subj /CN=ca -keyout ca.key -out ca.pem &&
        $new -passout 'pass:pass \"word\" \$1' -subj /CN=localhost \\
            -keyout key.pem -out csr.pem && chmod 644 key.pem &&
        openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key \\
            -CAcreateserial -days 2 -out certificate.pem") == 0
        or BAIL_OUT(slurp("$dir/openssl.log"));
}
