#!/usr/bin/perl

# A master that is killed: its workers send their clients on and leave.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(6);

$t->todo_alerts(qr/the master process \d+ is gone/);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        history  events=1000 size=1m;
        drain    500ms;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth        off;
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

$t->run();
wait_for(sub { worker_pids($t) == workers() });

my @workers = worker_pids($t);
my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');

my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
kill 'KILL', $master;
ok(wait_gone([ $master ]), 'the master is killed');

my ($code, $reason) = $ws->expect_close();
is($code, 1012, 'a client is told to come back');
like($reason, qr/^retry=\d+\z/, 'and when');
ok(wait_gone(\@workers), 'the workers leave');

# nothing holds the port

unlink $t->testdir() . '/nginx.pid';
eval { $t->run(); };
is((health($t))[0], 200, 'another nginx takes their place');
is((health($t))[1]{connections}, 0, 'with nobody in it') or diag($@);
