#!/usr/bin/perl

# A reload that brings the first hub while the master is short of descriptors.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /))
    ->has_daemon('prlimit')->plan(5);

$t->todo_alerts(qr/no process slot is left/);

my $conf = conductor_conf(<<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
    worker_connections 16;
}

http {
    %%TEST_GLOBALS_HTTP%%

    # hub

    server {
        listen 127.0.0.1:8080;

        location /plain { return 200 "plain\n"; }

        # locations
    }
}

EOF_CONF

my $hub = $conf =~ s/# hub/conductor_hub h { zone 4m; history size=1m; }/r;
$hub =~ s/# locations/location \/ { conductor h; conductor_auth off; }/;

$t->write_file_expand('nginx.conf', $conf);
$t->run();
wait_for(sub { worker_pids($t) == workers() });

my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
system('prlimit', "--pid=$master", '--nofile=64:') == 0 or die "prlimit\n";

$t->write_file_expand('nginx.conf', $hub);
my @old = reload_workers($t);

ok(scalar(@old), 'a reload goes through without the descriptors of a hub');
is((api($t, 'GET', '/plain'))[1], "plain\n", 'pages are served');
is(ws_connect($t, '/')->status(), 503, 'clients of the hub are sent away');

system('prlimit', "--pid=$master", '--nofile=1024:') == 0 or die "prlimit\n";
reload_workers($t);

is(ws_connect($t, '/')->status(), 101, 'until a reload finds enough');
like($t->read_file('error.log'), qr/\[emerg\].*needs 256 descriptors/,
    'the log says what was missing');
