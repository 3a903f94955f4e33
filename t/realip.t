#!/usr/bin/perl

# The address of a client is the one that realip finds, in limits and in
# logs, also after the connection has left its request.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http realip /))->plan(21);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    32m;
        channel c { default on; }
        event   e { channel c; }
    }

    log_format real '$remote_addr $status $conductor_status';
    access_log %%TESTDIR%%/real.log real;

    conductor_auth       off;
    conductor_limit_conn 2;
    conductor_refuse     http;

    server {
        listen     127.0.0.1:8080;
        listen     unix:%%TESTDIR%%/unix.sock;
        error_log  %%TESTDIR%%/info.log info;

        set_real_ip_from 127.0.0.1;
        set_real_ip_from unix:;
        real_ip_header   X-Forwarded-For;

        location / { conductor h; }

        location /only {
            allow     192.0.2.77;
            deny      all;
            conductor h;
        }
    }

    server {
        listen     127.0.0.1:8081 proxy_protocol;
        error_log  %%TESTDIR%%/info.log info;

        set_real_ip_from 127.0.0.1;
        real_ip_header   proxy_protocol;

        location / { conductor h; }
    }

    server {
        listen 127.0.0.1:8082;

        location / { conductor h; }
    }
}

EOF_CONF

$t->run();

# Counted are the real addresses.

my @from = map { from($t, '192.0.2.1') } 1 .. 3;

is(join(' ', map { $_->status() } @from), '101 101 429',
   'two clients of an address and no more');
is(from($t, '192.0.2.2')->status(), 101, 'but one of another');

$from[0]->close(1000);
$from[0]->drop();
ok(wait_for(sub { ($from[0] = from($t, '192.0.2.1'))->status() == 101 }),
   'the end of one makes room for one');
is(from($t, '192.0.2.1')->status(), 429, 'of that address');

my @v6 = map { from($t, $_) } qw/ 2001:db8::1 2001:db8::ffff:1:2:3 2001:db8::3
                                  2001:db8:0:1::1 /;
is(join(' ', map { $_->status() } @v6), '101 101 429 101',
   'a /64 of IPv6 is one address');

my @mapped = map { from($t, $_) } qw/ ::ffff:192.0.2.9 192.0.2.9 192.0.2.9 /;
is(join(' ', map { $_->status() } @mapped), '101 101 429',
   'a mapped address is one of IPv4');

is(from($t, '192.0.2.77', '/only')->status(), 101, 'allow sees it, too');
is(from($t, '192.0.2.78', '/only')->status(), 403, 'and deny');

# Through a Unix socket.

my @unix = map { from("unix:" . $t->testdir() . '/unix.sock', '192.0.2.5') }
           1 .. 3;
is(join(' ', map { $_->status() } @unix), '101 101 429',
   'the same behind a Unix socket');

# In the header of a proxy.

my @proxied = map { proxied('TCP4 192.0.2.20 127.0.0.1 5000 80') } 1 .. 3;
is(join(' ', map { $_->status() } @proxied), '101 101 429',
   'the same with PROXY');
is(proxied('TCP6 2001:db8:5::1 ::1 5000 80')->status(), 101, 'of IPv6, too');
is(proxied('UNKNOWN')->status(), 101, 'unknown is the address of the proxy');

# Who is not trusted names nobody.

my @false = map { from($t, "192.0.2.3$_", '/', source => '127.0.0.9') } 1 .. 3;
is(join(' ', map { $_->status() } @false), '101 101 429',
   'a header of a stranger is not believed');

my @plain = map { ws_connect(port(8082), '/', source => '127.0.0.8',
                             headers => [ "X-Forwarded-For: 192.0.2.4$_" ]) }
            1 .. 3;
is(join(' ', map { $_->status() } @plain), '101 101 429',
   'nor any where realip is not configured');

# Logs.

my $ws = from($t, '192.0.2.99');
my $id = $ws->recv_json()->{connectionId};

ok(wait_for(sub { $t->find_in_file('real.log',
                                   qr/^192\.0\.2\.99 101 connected$/m) }),
   'the access log has the real address');
ok($t->find_in_file('real.log', qr/^192\.0\.2\.1 429 address_limit$/m),
   'of who is refused, too');
ok($t->find_in_file('info.log',
       qr/handshake refused: address_limit.*client: 192\.0\.2\.1,/),
   'and so has the error log');

$ws->send_frame(1, 'x', mask => 0);
$ws->expect_close();
ok(wait_for(sub { $t->find_in_file('info.log',
       qr/closing with 1002.*client: 192\.0\.2\.99,.*\Q$id\E/) }),
   'also after the connection has left its request');

$ws = proxied('TCP4 192.0.2.98 127.0.0.1 5000 80');
$id = $ws->recv_json()->{connectionId};
$ws->reset();
ok(wait_for(sub { $t->find_in_file('info.log',
       qr/connection ended.*client: 192\.0\.2\.98,.*\Q$id\E/) }),
   'and when it is reset');

# All is given back under the address it was taken.

$_->reset() for @from, @v6, @unix, @proxied, @mapped;

for my $address (qw/ 192.0.2.1 2001:db8::9 /) {
    ok(wait_for(sub {
        my @two = map { from($t, $address) } 1 .. 2;
        return 2 == grep { $_->status() == 101 } @two;
    }), "$address has its room again");
}


# A client that a trusted proxy says is of an address.
sub from {
    my ($to, $address, $path, %opt) = @_;
    return ws_connect($to, $path // '/', %opt,
                      headers => [ "X-Forwarded-For: $address" ]);
}


# A client behind a proxy that speaks the PROXY protocol.
sub proxied {
    my ($line) = @_;
    my $ws = ws_connect(port(8081), '/', raw_request => "PROXY $line\x0d\x0a",
                        wait => 0);

    $ws->send_raw($ws->request('/'));
    $ws->handshake();
    return $ws;
}
