#!/usr/bin/perl

# A master that is killed with five hundred clients: another start succeeds
# while the orphans still send them on, and all of them come back.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use Time::HiRes qw/ clock_gettime CLOCK_MONOTONIC /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

use constant CLIENTS => 500;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl /))
    ->has_daemon('openssl')->plan(14);

$t->todo_alerts(qr/the master process \d+ is gone/);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
    worker_connections 2048;
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     8m;
        history  events=1000 size=1m;
        drain    4s;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth        off;
    conductor_limit_conn  off;
    conductor_ping        off;

    server {
        listen 127.0.0.1:8080 backlog=1024;
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
my %tls = (SSL_reuse_ctx => IO::Socket::SSL::SSL_Context->new(
               SSL_verify_mode => 0));

my $many = many_clients($t, CLIENTS, %tls, ssl => sub { $_[0] % 10 == 0 });
ok($many->wait_each(1, 'welcome', 30), 'five hundred clients are there');

# one that never reads what it is told, one inside a frame, one in a handshake

my ($deaf, $slow) = map { ws_connect($t, '/', rcvbuf => 2048) } 1, 2;
$_->recv_until('welcome') for $deaf, $slow;
$slow->send_raw(substr frame(1, '{}'), 0, 3);
my $early = ws_connect($t, '/', raw_request => 'GET / HTTP/1.1', wait => 0);

my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
kill 'KILL', $master;
wait_gone([ $master ]);
my $killed = clock_gettime(CLOCK_MONOTONIC);

# as a supervisor does, again and again

my ($again, $attempts, $took) = (undef, 0, 0);

while (!$again && $took < 30) {
    unlink $t->testdir() . '/nginx.pid';
    $attempts++;
    $again = eval { $t->run(); (health($t))[0] == 200 };
    $took = clock_gettime(CLOCK_MONOTONIC) - $killed;
}

ok($again, 'another start succeeds');
cmp_ok($took, '<', 5,
    sprintf 'within five seconds (%.1f, attempt %d)', $took, $attempts);

is((health($t))[1]{connections}, 0, 'with nobody in it');
ok(wait_for(sub { worker_pids($t) == workers() }), 'and with all its workers');

# those who were there

ok($many->run_until(sub { !$many->open_count() }, 30),
    'the orphans end all connections');

my @closed = map { [ $_->expect_close() ] } $many->clients();

is(scalar(grep { $_->[0] == 1012 } @closed), CLIENTS, 'with 1012');
is(scalar(grep { $_->[1] =~ /^retry=\d+\z/ } @closed), CLIENTS,
    'and when to come back');
is(($slow->expect_close())[0], 1012, 'also who is inside a frame');
$early->drop();
ok(wait_gone(\@workers, 20), 'then they are gone');

$many = many_clients($t, CLIENTS, %tls, ssl => sub { $_[0] % 10 == 0 });
ok($many->wait_each(1, 'welcome', 30), 'all come back');
is((health($t))[1]{connections}, CLIENTS, 'and are counted once');
publish($t, { type => 'e', n => 1 });
ok($many->wait_each(1, 'e', 30), 'and get what is published');
is_deeply([ map { $_->faults() } $many->clients() ], [],
    'no client finds a fault');


# A certificate of nobody.
sub certificate {
    my ($nginx) = @_;
    my $d = $nginx->testdir();

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
           . " -nodes -subj /CN=localhost -days 2 -keyout $d/key.pem"
           . " -out $d/cert.pem >/dev/null 2>&1") == 0
        or die "openssl failed\n";
}
