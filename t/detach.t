#!/usr/bin/perl

# The connection leaves its request after the 101, and whatever way it ends,
# everything that it held is given back.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()
    ->has(qw/ http http_ssl stub_status limit_conn socket_ssl /))
    ->has_daemon('openssl')->plan(28);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
    worker_connections 4096;
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    32m;
        channel c { default on; }
        event   e { channel c; }
    }

    log_format line '$connection $status $uri $conductor_connection';

    limit_conn_zone $binary_remote_addr zone=one:1m;

    ssl_certificate     localhost.crt;
    ssl_certificate_key localhost.key;

    conductor_auth       off;
    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8443 ssl;

        access_log %%TESTDIR%%/line.log line;
        error_log  %%TESTDIR%%/server.log info;

        location / {
            conductor h;
        }

        location /one {
            limit_conn one 1;
            conductor  h;
        }

        location /short {
            conductor              h;
            conductor_ping         200ms timeout=200ms;
        }

        location /idle {
            conductor              h;
            conductor_idle_timeout 200ms data;
        }

        location /publish { conductor_publish h; }
    }

    server {
        listen 127.0.0.1:8081;

        access_log off;

        location /stub     { stub_status; }
        location = /health { conductor_health h; }
    }

    server {
        listen 127.0.0.1:8082 sndbuf=1k;

        access_log   %%TESTDIR%%/blocked.log line;
        send_timeout 1s;

        location / {
            conductor  h;
            add_header X-Large "$arg_large$arg_large$arg_large$arg_large"
                       always;
        }
    }
}

EOF_CONF

certificate($t->testdir());
$t->run();

my @workers = worker_pids($t);
my %tls = (SSL_reuse_ctx => IO::Socket::SSL::SSL_Context->new(
               SSL_verify_mode => 0));

settle($t);
my %fds = map { $_ => fd_count($_) } @workers;

# One line, at the handshake.

my $ws = ws_connect($t, '/?first');
my $id = $ws->recv_json()->{connectionId};

my $line = wait_for(sub { lines($t) });
like($line, qr!^\d+ 101 / \Q$id\E$!, 'the access log has a line at once');

$ws->send_json({ type => 'ping', id => 1 });
is($ws->recv_json()->{id}, 1, 'the connection lives on');
is_deeply([ $ws->close(1000) ], [ 1000, '', 1 ], 'until it is closed');
$ws->drop();
ok(settle($t), 'and is counted no more');
is(lines($t), $line, 'the end adds no line');

# nginx's own limit ends with the request.

my @one = map { my $ws = ws_connect($t, '/one');
                $ws->recv_until('welcome'); $ws } 1 .. 3;

is(join(' ', map { $_->status() } @one), '101 101 101',
   'limit_conn counts handshakes only');
@one = ();

# Logs of the server that took the connection.

ok(wait_for(sub { $t->find_in_file('server.log',
                                   qr/connection ended.*\Q$id\E/) }),
   'the end is in the log of its server');

# All ways to end.

my $n = 40;
my $many;

$many = many_clients($t, $n);
ok($many->close(1000), 'closed by the clients');
$_->drop() for $many->clients();
ok(settle($t), 'and given back');

$many = many_clients($t, $n);
$_->reset() for $many->clients();
ok(settle($t), 'reset by them');

for my $ssl (0, 1) {
    my $over = $ssl ? ' over TLS' : '';

    $_->reset() for starts($t, $n, ssl => $ssl, %tls);
    ok(settle($t), "reset at the handshake$over");

    $_->drop() for starts($t, $n, ssl => $ssl, %tls);
    ok(settle($t), "dropped at the handshake$over");

    $many = many_clients($t, $n, ssl => $ssl, %tls);
    $_->drop() for $many->clients();
    ok(settle($t), "dropped$over");

    $many = many_clients($t, $n, ssl => $ssl, %tls);
    $_->send_raw('no frame') for $many->clients();
    ok($many->run_until(sub { !$many->open_count() }),
       "closed for an error$over");
    $_->drop() for $many->clients();
    ok(settle($t), 'and given back');
}

$many = many_clients($t, $n, path => '/short', pong => 0);
$_->{pong} = 0 for $many->clients();
ok($many->run_until(sub { !$many->open_count() }), 'ended for a lost pong');
ok(settle($t), 'and given back');

$many = many_clients($t, $n, path => '/idle');
ok($many->run_until(sub { !$many->open_count() }), 'closed as idle');
$_->drop() for $many->clients();
ok(settle($t), 'and given back');

# A 101 that does not fit the socket.

my @blocked = map {
    ws_connect(port(8082), '/?large=' . 'x' x 7000, rcvbuf => 1, wait => 0,
               body => frame(1, '{"type":"ping","id":1}'))
} 1 .. 5;

is(scalar(grep { $_->handshake() && $_->recv_until('pong') } @blocked[0 .. 2]),
   3, 'a 101 that is sent piece by piece');
$blocked[3]->reset();
$_->drop() for @blocked;
ok(settle($t), 'is given back');

# Nothing is left.

is(join(' ', map { fd_count($_) - $fds{$_} } @workers),
   join(' ', map { 0 } @workers), 'no descriptor is left');

my $lines = $t->read_file('line.log') . $t->read_file('blocked.log');
my %seen;
$seen{$_}++ for $lines =~ /^(\d+ 101)/mg;
is(scalar(grep { $_ != 1 } values %seen), 0,
   'no connection was logged twice');


# Clients that have sent a handshake and not read its answer.
sub starts {
    my ($t, $n, %opt) = @_;
    return map { ws_connect($t, '/', %opt, wait => 0) } 1 .. $n;
}


# Waits until nothing but our own question is active: true if it came so far.
sub settle {
    my ($t) = @_;

    return wait_for(sub {
        my (undef, $stub) = api($t, 'GET', '/stub', port => 8081);
        my (undef, $health) = health($t, port => 8081);

        return $stub =~ /^Active connections: 1 /
               && $stub =~ /Reading: 0 Writing: 1 Waiting: 0/
               && $health->{connections} == 0;
    });
}


# The access log.
sub lines {
    my ($t) = @_;
    return join "\n", split /\n/, $t->read_file('line.log');
}


# A certificate that nobody checks.
sub certificate {
    my ($d) = @_;

    system("cd $d && openssl req -x509 -newkey ec -nodes -days 2"
           . ' -pkeyopt ec_paramgen_curve:P-256 -subj /CN=localhost'
           . ' -keyout localhost.key -out localhost.crt >openssl.log 2>&1') == 0
        or die "cannot make a certificate\n";
}
