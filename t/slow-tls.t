#!/usr/bin/perl

# Slow readers over TLS: a record that is encrypted cannot be taken back.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl /))
    ->has_daemon('openssl')->plan(10);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     8m;
        history  events=10000 size=4m;

        channel c { default on; }
        event e { channel c; }
    }

    client_max_body_size      4m;
    conductor_auth            off;
    conductor_limit_conn      off;
    conductor_limit_messages  off;

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8443 ssl sndbuf=4k;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location /        { conductor h; conductor_max_queue 4m; }
        location /small   { conductor h; conductor_max_queue 32k; }
        location /publish { conductor_publish h; }
    }
}

EOF_CONF

certificate($t);

$t->run();

my $quick = ws_connect($t, '/');
my $patient = client($t, '/');
$_->recv_until('welcome') for $quick, $patient;

my %behind = map {
    my $ws = client($t, '/small');
    $ws->recv_until('welcome')->{connectionId} => { ws => $ws, n => [] }
} 1 .. 4;

# Each event is a buffer of its own.  A little is read now and then, so that
# several go into one write, of which the socket takes a part.  Who is being
# closed has a second to read the rest, and does so at once.

open my $log, '<', $t->testdir() . '/error.log' or die "no log: $!\n";

for my $n (1 .. 320) {
    publish($t, { type => 'e', n => $n, s => 'x' x ($n * 97 % 1500) });
    $quick->recv_json();

    for my $client (map { $behind{$_} } closing($log)) {
        next if !$client || $client->{end};

        while (my $event = $client->{ws}->recv_json()) {
            push @{$client->{n}}, $event->{n};
        }

        $client->{end} = join ' ', $client->{ws}->expect_close();
    }

    for my $client ($n % 2 ? () : grep { !$_->{end} } values %behind) {
        my $event = $client->{ws}->recv_json() or next;
        push @{$client->{n}}, $event->{n};
    }
}

for my $client (values %behind) {
    my @n = @{$client->{n}};

    is(join(' ', @n, $client->{end} // 'open'),
        join(' ', 1 .. @n, '1013 too slow 1'),
        'who falls behind gets a part, whole, and is told why it ends');
    cmp_ok(scalar(@n), '<', 320, 'and not all');
}

is(join(' ', map { $patient->recv_json()->{n} } 1 .. 320), "@{[ 1 .. 320 ]}",
    'who has room gets all');

is_deeply([ map { $_->faults() } $patient, map { $_->{ws} } values %behind ],
    [],
    'and no frame is torn');


# The connections that the log, read on, says are being closed.
sub closing {
    my ($log) = @_;
    seek $log, 0, 1;
    return map { /closing with 1013.*connection: (\S+)/ ? $1 : () } <$log>;
}


# A client over TLS that takes little at a time.
sub client {
    my ($nginx, $path) = @_;
    return ws_connect($nginx, $path, ssl => 1, rcvbuf => 2048);
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
