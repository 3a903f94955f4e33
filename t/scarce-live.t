#!/usr/bin/perl

# Where descriptors or connections are used up, who is in is served as before,
# and who leaves makes room.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use IO::Socket::INET;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl /))
    ->has_daemon('openssl')->plan(20)
    ->todo_alerts(qr/worker_connections are not enough|accept4\(\) failed \(9/);

# (nginx that is told to quit while it waits to accept again does try, though
# it has closed its sockets)

certificate($t);

my %tls = (SSL_reuse_ctx => IO::Socket::SSL::SSL_Context->new(
               SSL_verify_mode => 0));
my $n = 0;

for my $ssl (0, 1) {
    my $over = $ssl ? ' over TLS' : '';

    full($t, $ssl, "descriptors$over", qr/accept4\(\) failed.*Too many open/,
         'worker_rlimit_nofile 310;', 'worker_connections 512;');

    full($t, $ssl, "connections$over", qr/30 worker_connections are not enou/,
         '', 'worker_connections 30;');
}


# Takes all there is of something.
sub full {
    my ($nginx, $ssl, $what, $says, $main, $events) = @_;

    my $log = -s $nginx->testdir() . '/error.log' // 0;

    start($nginx, $main, $events);

    my $publisher = publisher();
    my $witness = ws_connect($nginx, '/');
    $witness->recv_until('welcome');

    my @all = grown($nginx, $ssl);
    my @in = grep { $_->is_open() && $_->recv_until('welcome') } @all;

    like(substr($nginx->read_file('error.log'), $log), $says,
        "all $what are taken");

    like(event($publisher), qr/"accepted":1/, 'an event is accepted');
    is(scalar(grep { got($_, $n) } $witness, @in), 1 + @in,
        'and reaches all who are in');
    is(scalar(grep { $_->command({ type => 'ping' }) } @in), scalar(@in),
        'who are answered as ever');

    # half of them leave

    $_->reset() for grep { !$_->is_open() } @all;
    $_->reset() for splice @in, 0, @in / 2;
    my $new;
    ok(wait_for(sub {
        $new = ws_connect($nginx, '/', ssl => $ssl, timeout => 2, %tls);
        return $new->is_open();
    }), 'who leaves makes room');

    $_->reset() for @in, $witness, $new;
    close $publisher;
    $nginx->stop();
}


# Starts nginx anew.
sub start {
    my ($nginx, $main, $events) = @_;

    unlink $nginx->testdir() . '/nginx.pid';

    my $conf = <<'EOF_CONF';

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;
# main

events {
    # events
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    4m;
        history events=1000 size=1m;
        drain   100ms;
        channel c { default on; }
        event   e { channel c; }
    }

    conductor_auth        off;
    conductor_limit_conn  off;
    conductor_ping        off;

    ssl_certificate       %%TESTDIR%%/cert.pem;
    ssl_certificate_key   %%TESTDIR%%/key.pem;

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8443 ssl;

        location /        { conductor h; }
        location /publish { conductor_publish h; }
    }
}

EOF_CONF

    $conf =~ s/# main/$main/;
    $conf =~ s/# events/$events/;

    $nginx->write_file_expand('nginx.conf', conductor_conf($conf));
    $nginx->run();
    wait_for(sub { worker_pids($nginx) == workers() });
}


# Clients until some have no answer.
sub grown {
    my ($nginx, $ssl) = @_;
    my ($silent, @all) = (0);

    while ($silent < 3 && @all < 80 * workers()) {
        push @all, ws_connect($nginx, '/', ssl => $ssl, timeout => 0.7, %tls);
        $silent++ unless $all[-1]->is_open();
    }

    $_->{timeout} = 10 for @all;
    return @all;
}


# A request that lacks its body: nginx needs an idle connection no less than
# a new one, and takes it.
sub publisher {
    my $sock = IO::Socket::INET->new('127.0.0.1:' . port(8080))
        or die "cannot connect: $!\n";

    print $sock join "\x0d\x0a", 'POST /publish HTTP/1.1', 'Host: localhost',
        'Content-Type: application/json', 'Content-Length: 20', '', '';
    return $sock;
}


# Publishes with that; the answer.
sub event {
    my ($sock) = @_;

    print $sock sprintf '{"type":"e","n":%3d}', ++$n;
    sysread $sock, my $answer, 65536;
    return $answer // '';
}


# Whether a client gets this event.
sub got {
    my ($ws, $number) = @_;
    return $ws->recv_until(sub { ($_->{n} // 0) == $number });
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
