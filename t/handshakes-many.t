#!/usr/bin/perl

# Ten thousand handshakes at once: all of them wait when the workers turn to
# them, all succeed, and all leave at once.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use Digest::SHA qw/ sha1_base64 /;
use IO::Socket::INET;
use Socket qw/ SOL_SOCKET SO_LINGER SO_RCVTIMEO /;
use Time::HiRes qw/ clock_gettime CLOCK_MONOTONIC /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

use constant { N => 10_000, TLS => 1000 };

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl /))
    ->has_daemon('openssl')->has_daemon('prlimit');

skip_all('a process may not have 12,000 descriptors')
    if system("prlimit --pid=$$ --nofile=12000: 2>/dev/null") != 0;

$t->plan(15);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes      %%WORKERS%%;
worker_rlimit_nofile  12000;

events {
    worker_connections 11500;
}

http {
    %%TEST_GLOBALS_HTTP%%

    error_log  %%TESTDIR%%/error.log info;
    access_log off;

    conductor_hub h {
        zone     16m;
        history  events=1000 size=1m;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth        off;
    conductor_limit_conn  off;
    conductor_ping        off;

    server {
        listen 127.0.0.1:8080 backlog=4096;
        listen 127.0.0.1:8443 ssl backlog=1024;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location /        { conductor h; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

certificate($t);

$t->run();
wait_for(sub { worker_pids($t) == workers() });

my @workers = worker_pids($t);
my $witness = ws_connect($t, '/');
$witness->recv_until('welcome');

my $key = 'dGhlIHNhbXBsZSBub25jZQ==';
my $accept = sha1_base64($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11') . '=';
my $request = join "\x0d\x0a", 'GET / HTTP/1.1', 'Host: localhost',
    'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13',
    "Sec-WebSocket-Key: $key", '', '';

my @socks = map { connected($t) } 1 .. N;
is(scalar(@socks), N, 'ten thousand clients connect');

halt(@workers);
my $asked = grep { (syswrite $_, $request) == length $request } @socks;
my $start = clock_gettime(CLOCK_MONOTONIC);
kill 'CONT', $_ for @workers;

is($asked, N, 'and ask before anyone looks');

my @answers = map { answer($_, qr/"type":"welcome".*\}/s) } @socks;
my $took = clock_gettime(CLOCK_MONOTONIC) - $start;

is(scalar(grep { m!^HTTP/1\.1 101 ! } @answers), N,
    sprintf 'all are answered with 101 (%.1f s)', $took);
is(scalar(grep { /^Sec-WebSocket-Accept: \Q$accept\E\x0d$/m } @answers), N,
    'each with the right key');

my %ids = map { /"connectionId":"([^"]+)"/ ? ($1 => 1) : () } @answers;

is(scalar(keys %ids), N, 'and welcome, each by a name of its own');
is((health($t))[1]{connections}, N + 1, 'the server counts as many');
is($witness->command({ type => 'ping' })->{type}, 'pong',
    'who was there before is still served');

is((publish($t, { type => 'e', n => 4711 }))[0], 200, 'an event');
is(scalar(grep { () = answer($_, qr/\}\z/) =~ /"n":4711\b/g } @socks), N,
    'reaches all of them');
is($witness->recv_until('e')->{n}, 4711, 'and the other');

# all leave in one moment

halt(@workers);
setsockopt $_, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0 for @socks;
close $_ for splice @socks;
kill 'CONT', $_ for @workers;

ok(wait_for(sub { (health($t))[1]{connections} == 1 }, 30),
    'when all are reset, all is given back');

# over TLS

my $many = many_clients($t, TLS, ssl => 1,
    SSL_reuse_ctx => IO::Socket::SSL::SSL_Context->new(SSL_verify_mode => 0));

ok($many->wait_each(1, 'welcome', 30), 'a thousand come over TLS');
is((health($t))[1]{connections}, TLS + 1, 'and are counted');
$_->reset() for $many->clients();
ok(wait_for(sub { (health($t))[1]{connections} == 1 }, 30), 'and leave');
is(join(' ', worker_pids($t)), "@workers", 'no worker was lost');


# A connected socket that waits for no more than ten seconds.
sub connected {
    my ($nginx) = @_;
    my $sock = IO::Socket::INET->new(Proto => 'tcp',
        PeerAddr => '127.0.0.1', PeerPort => port(8080)) or return;

    $sock->setsockopt(SOL_SOCKET, SO_RCVTIMEO, pack 'l!l!', 10, 0);
    return $sock;
}


# What comes, up to something.
sub answer {
    my ($sock, $end) = @_;
    my $answer = '';

    until ($answer =~ $end) {
        sysread($sock, $answer, 65536, length $answer) or last;
    }

    return $answer;
}


# A certificate of nobody.
sub certificate {
    my ($nginx) = @_;
    my $d = $nginx->testdir();

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
           . " -nodes -subj /CN=localhost -days 2 -keyout $d/key.pem"
           . " -out $d/cert.pem >/dev/null 2>&1") == 0
        or die "openssl failed\n";
}
