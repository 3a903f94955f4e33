#!/usr/bin/perl

# The keeper beside a cache of nginx's: both do their work in one process.

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
    ->has(qw/ http rewrite proxy cache /)->has_daemon('sqlite3'))->plan(17);

my $conf = conductor_conf(<<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    proxy_cache_path %%TESTDIR%%/cache keys_zone=pages:1m inactive=1s
                     loader_threshold=50ms manager_threshold=50ms;

    conductor_hub h {
        zone     4m;
        history  events=100 size=64k;
        drain    100ms;
        presence tasks.db ttl=1h leave=100ms;
        channel  c { default on; }
        event    e { channel c; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor          h;
            conductor_identity user=$arg_user role=$arg_role;
        }

        location /health { conductor_health h; }

        location /page {
            proxy_pass        http://127.0.0.1:8080/origin;
            proxy_cache       pages;
            proxy_cache_valid 1h;
            add_header        X-Cache $upstream_cache_status;
        }

        location /origin { return 200 "a page"; }
    }
}

EOF_CONF

# a manager that may hold the keeper for long is told of

(my $slow = $conf) =~ s/manager_threshold=50ms/manager_threshold=200ms/;

my ($ok, $said) = nginx_t($t, $slow);
ok($ok, 'a cache with a slow manager is no error');
like($said, qr/manager of the cache ".*cache" may hold the keeper for 200 ms/,
     'but worth a warning');

($ok, $said) = nginx_t($t, $conf);
unlike($said, qr/may hold the keeper/, 'a quick one is not');

$t->write_file_expand('nginx.conf', $conf);
$t->run();
$t->todo_alerts(killed());

my $keeper = wait_for(sub { keeper_pid($t) });
ok($keeper, 'there is a keeper');
is(scalar(Test::Conductor::children($t, qr/cache manager/)), 0,
   'and no other manager');

# both work

like(page(), qr/X-Cache: MISS.*a page/s, 'a page that is not in the cache');
like(page(), qr/X-Cache: HIT.*a page/s, 'is there the next time');

my $ann = client($t, 'ann');
ok(wait_for(sub { rows($t) eq 'ann|online' }), 'who comes is in the table');

is(wait_for(sub { cached($t) == 0 }, 20), 1,
   'what nobody asks for leaves the cache');
like(page(), qr/X-Cache: MISS/, 'and is fetched again');

# killed

kill 'KILL', $keeper;

my $next = wait_for(sub {
    my $pid = keeper_pid($t);
    return $pid && $pid != $keeper && $pid;
});
ok($next, 'a keeper that is killed is started again');

my $bob = client($t, 'bob');
ok(wait_for(sub { rows($t) eq 'ann|online bob|online' }), 'and writes');
is(wait_for(sub { cached($t) == 0 }, 20), 1,
   'and so does the cache\'s manager');

# reload

$t->reload();
ok(wait_gone([ $next ], 15), 'a reload sends the old one away');
ok(wait_for(sub { keeper_pid($t) }), 'and has its own');
like(page(), qr/a page/, 'the cache goes on');

$t->stop();

is(rows($t), 'ann|offline bob|offline', 'a stop leaves nobody online');


sub client {
    my ($t, $user) = @_;

    my $ws = ws_connect($t, "/?user=$user");
    $ws->recv_until('welcome');
    return $ws;
}


sub page {
    return http_get('/page');
}


# How many files the cache has.
sub cached {
    my ($t) = @_;

    my @files = glob($t->testdir() . '/cache/*');
    return scalar @files;
}


sub rows {
    my ($t) = @_;

    return join ' ', @{sql($t, 'tasks.db',
        'SELECT reviewer_id, status FROM reviewer_presence'
        . ' ORDER BY reviewer_id') || []};
}
