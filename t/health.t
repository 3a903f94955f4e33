#!/usr/bin/perl

# /health: its fields, its probes, and what it says while nginx drains.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use Time::Local qw/ timegm /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(28);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone   4m;
        history events=100 size=64k;
        name   node-7;
        drain  1s;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_hub other { zone 4m; history events=100 size=64k; }

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_auth off; }
        location /other   { conductor other; conductor_auth off; }
        location /health  { conductor_health h; }
        location /health2 { conductor_health other; }
    }
}

EOF_CONF

$t->run();
wait_for(sub { worker_pids($t) == workers() });

my ($status, $h, $head) = health($t);

is($status, 200, 'a hub is asked for its health');
like($head, qr!^Content-Type: application/json!mi, 'which is JSON');
is_deeply([ @$h{qw/ status websocket redis connections /} ],
    [ 'ok', 'enabled', 'disabled', 0 ], 'it is well');
is_deeply([ sort keys %$h ], [ qw/ capacity connections connectionsTotal
    database disconnections draining dropped errors hub messagesReceived
    messagesSent
    redis refused server status timestamp websocket workers / ],
    'every field is there');
is_deeply([ @$h{qw/ hub server /} ], [ 'h', 'node-7' ],
    'hub and server have their names');
ok(wait_for(sub { (health($t))[1]{workers} == workers() }),
    'it knows its workers');
cmp_ok($h->{capacity}, '>', 100, 'and for how many clients it has room');

my @time = $h->{timestamp}
    =~ /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.\d{3}Z$/;
is(scalar(@time), 6, 'the timestamp is of ISO 8601, in UTC');
cmp_ok(abs(timegm(@time[5, 4, 3, 2], $time[1] - 1, $time[0]) - time()), '<',
    60, 'and the time');

my @clients = map { ws_connect($t, '/') } 1 .. 5;
is((health($t))[1]{connections}, 5, 'connections are counted');
is((health($t, path => '/health2'))[1]{connections}, 0,
    'in their own hub only');

$clients[0]->close(1000);
$clients[1]->reset();
ok(wait_for(sub { (health($t))[1]{connections} == 3 }),
    'who left is not, in whatever way');

is((ws_connect($t, '/', version => 8))->status(), 426, 'nor is');
is((health($t))[1]{connections}, 3, 'who was refused');

# probes

for my $probe (qw/ ready live /) {
    ($status, $h) = health($t, probe => $probe);
    is_deeply([ $status, $h->{status} ], [ 200, 'ok' ], "it is $probe");
}

is((health($t, probe => 'nope'))[0], 400, 'there is no other probe');

my ($s, $body, $headers) = api($t, 'HEAD', '/health');
is($s, 200, 'HEAD is answered');
is($body, '', 'without a body');
like($headers, qr/^Content-Length: [1-9]/mi, 'but with its length');
is((api($t, 'POST', '/health', body => '{}'))[0], 405,
    'nothing is posted there');

# the second request begins where nginx's own parser is aligned

my $first = "GET /health HTTP/1.1\x0d\x0aHost: a\x0d\x0a\x0d\x0a";
$first =~ s/Host: a/'Host: a' . 'a' x (-length($first) % 4)/e;

my $raw = http($first . "GET /health?probe=ready HTTP/1.1\x0d\x0aHost: a"
    . "\x0d\x0a", start => 1);
my $answer = '';
wait_for(sub { $raw->blocking(0); $raw->sysread($answer, 4096, length $answer);
               $answer =~ /\}\n\z/ });
like($answer, qr/^HTTP.* 200 .*"status":"ok"/s,
    'a request that is under way finds it ready');

my @old = worker_pids($t);
reload_workers($t);
is(scalar(grep { ($_->expect_close())[0] == 1012 } @clients[2 .. 4]), 3,
    'a reload sends the clients on');

$answer = '';
$raw->blocking(1);
$raw->print("\x0d\x0a");
wait_for(sub { $raw->blocking(0); $raw->sysread($answer, 4096, length $answer);
               $answer =~ /\}\n\z/ });
like($answer, qr/^HTTP\S+ 503 /, 'a worker that drains is not ready');
like($answer, qr/"status":"degraded".*"reason":"draining"/s,
    'and says why');
$raw->close();

ok(wait_gone(\@old), 'then it goes');
is((health($t, probe => 'ready'))[0], 200, 'the new ones are ready');
ok(wait_for(sub { (health($t))[1]{workers} == workers() }),
    'and it counts only them');
