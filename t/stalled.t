#!/usr/bin/perl

# A worker whose loop stands still: the probe of liveness finds it.

# Runs alone: a worker that has no processor seems to stand still.

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

$t->write_file_expand('nginx.conf', <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes 2;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h { zone 4m; history events=100 size=64k; }

    server {
        listen 127.0.0.1:8080;

        location / { conductor_health h; }
    }
}

EOF_CONF

$t->run();
wait_for(sub { (health($t))[1]{workers} == 2 });

my ($pid) = worker_pids($t);
halt($pid);

my ($status, $h);
ok(wait_for(sub {
    ($status, $h) = health($t, probe => 'live');
    return $status == 503;
}, 40), 'a worker that stands still is found');

is_deeply([ @$h{qw/ status reason /} ],
    [ 'degraded', "a worker's event loop has stalled" ], 'by its reason');
is((health($t, probe => 'ready'))[0], 200, 'the others are ready');
is((health($t))[0], 200, 'and the health itself is told as ever');

kill 'CONT', $pid;

ok(wait_for(sub { (health($t, probe => 'live'))[0] == 200 }),
    'it is well again when it goes on');
is((health($t))[1]{workers}, 2, 'and was never taken for gone');
