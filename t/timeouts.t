#!/usr/bin/perl

# Pings and time-outs: who is silent, and for how long.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(20);

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
        history  events=100 size=64k;
        drain    1s;

        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_auth off;

        location /      { conductor h; conductor_ping 100ms timeout=20s; }
        location /short { conductor h; conductor_ping 100ms timeout=300ms; }
        location /slow  { conductor h; conductor_ping 100ms timeout=1s; }
        location /quiet { conductor h; conductor_ping off; }

        location /idle {
            conductor h;
            conductor_ping off;
            conductor_idle_timeout 300ms;
        }

        location /frames {
            conductor h;
            conductor_ping 100ms;
            conductor_idle_timeout 2s;
        }

        location /data {
            conductor h;
            conductor_ping 100ms;
            conductor_idle_timeout 2s data;
        }

        location /never {
            conductor h;
            conductor_ping off;
            conductor_idle_timeout off;
        }

        location /health { conductor_health h; }
    }
}

EOF_CONF

$t->run();

# pings

my $quiet = ws_connect($t, '/quiet');
my $never = ws_connect($t, '/never');
my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');

ok(wait_for(sub { $ws->take(); @{$ws->pings()} >= 3 }),
    'pings come, and answered ones keep a connection');
is($ws->command({ type => 'ping' })->{type}, 'pong',
    'which works as ever');

my $mute = ws_connect($t, '/', pong => 0);
$mute->recv_until('welcome');
wait_for(sub { $mute->take(); @{$mute->pings()} });
my $seen = @{$ws->pings()};
wait_for(sub { $ws->take(); @{$ws->pings()} >= $seen + 3 });
$mute->sync();
is(scalar(@{$mute->pings()}), 1,
    'while a ping is not answered there is no other');

$mute->send_frame(10, 'not what you asked');
ok(wait_for(sub { $mute->take(); @{$mute->pings()} >= 2 }),
    'any pong is an answer');

my $dead = ws_connect($t, '/short', pong => 0);
my ($code, $reason, $ended) = $dead->expect_close();
is_deeply([ $code, $ended ], [ 1006, 1 ],
    'who does not answer is dropped without ceremony');
is(scalar(@{$dead->pings()}), 1, 'after one ping');

my $talker = ws_connect($t, '/short', pong => 0);
my $n = 0;
ok(wait_for(sub { $n++; !$talker->send_json({ type => 'ping' })
                        || $talker->eof(0.05) }),
    'messages are no answer to a ping');
cmp_ok($n, '>', 1, 'however many there are');

# a pong cannot overtake the frame that is on its way

my $slow = ws_connect($t, '/slow', pong => 0);
$slow->recv_until('welcome');
my $frame = frame(1, '{"type":"ping","id":"slow"' . ' ' x 300 . '}');
my $part = 0;

while ($part < length $frame) {
    last unless $slow->send_raw(substr $frame, $part, 16);
    $part += 16;
    select undef, undef, undef, 0.1;
}

my $pong = $slow->recv_until('pong');
is($pong && $pong->{id}, 'slow',
    'a frame that comes slowly keeps its connection');
is(($slow->expect_close())[0], 1006, 'until it is over');

# who says nothing

my $idle = ws_connect($t, '/idle');
is(join(' ', ($idle->expect_close())[0, 2]), '4408 1',
    'who is idle is closed with 4408');

my $many = many_clients($t, 4, path => sub { $_[0] < 2 ? '/frames' : '/data' });

ok($many->run_until(sub { $many->open_count() == 2 }),
    'where only data counts, answering pings is not enough');
is(join(' ', map { ($_->expect_close())[0] } ($many->clients())[2, 3]),
    '4408 4408', 'and those who do no more are closed with 4408');
is(scalar(grep { @{$_->pings()} > 5 } ($many->clients())[2, 3]), 2,
    'though they answered every ping');
ok($many->run_until(sub { !grep { @{$_->pings()} < 22 }
                                 ($many->clients())[0, 1] }),
    'where every frame counts it is');
is($many->open_count(), 2, 'those who answered are still there');

# who was never asked

is(scalar(@{$quiet->sync()}), 1, 'without pings a connection just stays');
is_deeply($quiet->pings(), [], 'and no ping came');
is(scalar(@{$never->sync()}), 1, 'so does one that may be idle for ever');

is_deeply([ map { $_->faults() } $ws, $mute, $dead, $talker, $slow, $idle,
    $quiet, $never, $many->clients() ], [], 'no client finds a fault');
