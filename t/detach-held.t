#!/usr/bin/perl

# Requests that somebody holds when their connection wants to leave them.

# Runs alone: what is held must be held at a certain moment.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http mirror proxy /))
    ->plan(11);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;
worker_shutdown_timeout 300ms;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        history  events=1000 size=1m;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth        off;
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        # a subrequest is under way when the page of the error is served

        location /held {
            root        %%TESTDIR%%/none;
            mirror      /mirror;
            error_page  404 = @socket;
        }

        location @socket { conductor h; }

        location = /mirror {
            internal;
            proxy_pass         http://127.0.0.1:8081;
            proxy_pass_request_headers off;
            proxy_http_version 1.0;
        }

        location /        { conductor h; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

my $backend = IO::Socket::INET->new(Listen => 5, ReuseAddr => 1,
    LocalAddr => '127.0.0.1', LocalPort => Test::Nginx::port(8081))
    or die "no socket: $!\n";

$t->run();

# the holder lets go

my $ws = ws_connect($t, '/held');
my $holder = $backend->accept();

is($ws->status(), 101, 'the handshake is answered while a subrequest runs');

$ws->send_json({ type => 'ping', id => 1 });
publish($t, { type => 'e', n => 1 });
print $holder "HTTP/1.0 204 No Content\x0d\x0a\x0d\x0a";
close $holder;

is($ws->recv_json()->{type}, 'welcome', 'the session begins at its end');
is($ws->recv_until('pong')->{id}, 1, 'what was sent meanwhile is answered');

# the holder fails

$ws = ws_connect($t, '/held');
$holder = $backend->accept();
close $holder;
is(($ws->recv_json() // {})->{type}, 'welcome',
    'the session begins as well if that fails');
is(($ws->close(1000))[0], 1000, 'and ends as any other');

# the client leaves first: sooner or later before the holder or just after it,
# with a frame that nobody has read or without

my ($counted, $gone) = (0, 0);

for my $round (0 .. 23) {
    $ws = ws_connect($t, '/held');
    $holder = $backend->accept();

    last unless wait_for(sub { (health($t))[1]{connections} == 1 });
    $counted++;

    $ws->send_json({ type => 'ping', id => 1 }) if $round & 1;
    close $holder if $round & 2;
    $ws->reset();
    health($t) for 1 .. $round >> 2;
    close $holder;

    last unless wait_for(sub { (health($t))[1]{connections} == 0 });
    $gone++;
}

is($counted, 24, 'who is held is counted, and nobody else');
is($gone, 24, 'who leaves meanwhile is not counted any more');

# the worker leaves first

$ws = ws_connect($t, '/held');
$holder = $backend->accept();
is($ws->status(), 101, 'another handshake is answered');

my @old = reload_workers($t);

is(($ws->expect_close())[0], 1006, 'a time-out of the worker ends it');
ok(wait_gone(\@old), 'the worker is gone');
is((health($t))[1]{connections}, 0, 'and nothing is counted any more');
