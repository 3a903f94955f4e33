#!/usr/bin/perl

# What an idle connection costs beside nginx's own slot for it.

# Runs alone: it measures memory.

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
    ->has(qw/ http http_ssl socket_ssl /))->has_daemon('openssl');

plan(skip_all => 'sanitizers keep memory of their own')
    if $t->configured() =~ /-fsanitize/;

$t->plan(4);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes 1;

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

    ssl_certificate     localhost.crt;
    ssl_certificate_key localhost.key;

    conductor_auth       off;
    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8443 ssl;

        location /        { conductor h; }
        location /publish { conductor_publish h; }
    }
}

EOF_CONF

certificate($t->testdir());
$t->run();

my %tls = (ssl => 1, SSL_reuse_ctx => IO::Socket::SSL::SSL_Context->new(
               SSL_verify_mode => 0));

cmp_ok(growth($t, 2000), '<', 1024,
       'an idle connection keeps less than a kilobyte');
cmp_ok(growth($t, 150, %tls), '<', openssl() < 3.2 ? 24 * 1024 : 40 * 1024,
       'over TLS, what OpenSSL needs and no buffer of nginx');

my $many = many_clients($t, 50);
$many->wait_each(1, 'welcome');

is((publish($t, { type => 'e' }))[0], 200, 'and the worker');
ok($many->wait_each(1, 'e'), 'is well');

$_->drop() for $many->clients();


# How much a client adds to the worker's private memory, with some there.
sub growth {
    my ($t, $n, %opt) = @_;

    my $first = many_clients($t, 50, %opt);
    $first->wait_each(1, 'welcome');
    my $before = private($t);

    my $more = many_clients($t, $n, %opt);
    $more->wait_each(1, 'welcome', 30);
    my $each = (private($t) - $before) / $n;

    note("$each octets");
    return $each;
}


# The memory that the worker alone has written to, the entries in the zone too.
# Pages of program files also become private as another nginx ends.
sub private {
    my ($t) = @_;
    my $sum = 0;
    my ($pid) = worker_pids($t);

    open my $f, '<', "/proc/$pid/smaps_rollup" or die "no smaps: $!\n";
    $sum += $_ for map { /^Private_Dirty:\s+(\d+) kB/ ? $1 * 1024 : () } <$f>;

    return $sum;
}


# The OpenSSL that nginx has: from 3.2 on it takes twice the memory.
sub openssl {
    my ($version) = `$Test::Nginx::NGINX -V 2>&1` =~ /OpenSSL (\d+\.\d+)/;
    return $version // 3;
}


# A certificate that nobody checks.
sub certificate {
    my ($d) = @_;

    system("cd $d && openssl req -x509 -newkey ec -nodes -days 2"
           . ' -pkeyopt ec_paramgen_curve:P-256 -subj /CN=localhost'
           . ' -keyout localhost.key -out localhost.crt >openssl.log 2>&1') == 0
        or die "cannot make a certificate\n";
}
