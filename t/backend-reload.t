#!/usr/bin/perl

# Thousands of calls, over upstreams that come and go and over reloads: each is
# answered or its client is sent away, and nothing is left behind.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Backend;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy stub_status /))
    ->plan(11);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;
worker_shutdown_timeout 2s;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    upstream back {
        server 127.0.0.1:8082;
        server 127.0.0.1:8083;
        server 127.0.0.1:8084 max_fails=0;
        keepalive 4;
    }

    conductor_hub h {
        zone     4m;
        history  events=1000 size=1m;
        drain    300ms;

        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080 reuseport;

        conductor_auth off;
        conductor_limit_conn off;
        conductor_limit_messages off;

        location /       { conductor h; conductor_backend /back; }
        location /asked/ { conductor h; conductor_backend /back connect; }

        location /back {
            internal;
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_next_upstream error timeout non_idempotent;
        }

        location /health { conductor_health h; }
        location /status { stub_status; }
    }
}

EOF_CONF

backend($t, 8082);
backend($t, 8083);
$t->run();
wait_for(sub { worker_pids($t) == workers() });

# keepalive and fail-over

my ($before) = status();
my @ws = map { open_at($t, '/') } 1 .. 20;
my $acks = 0;

for my $i (1 .. 50) {
    $_->send_json({ type => 'agent:a', id => $i }) for @ws;
    $acks += grep { ($_->recv_until('ack') // {})->{id} == $i } @ws;
}

is($acks, 1000, 'all calls are answered, though a server is not there');

is(scalar(map { asked($t, $_) } 8082, 8083), 1000, 'each was made once');

my @fds = map { descriptors($_) } worker_pids($t);
my ($active, $writing) = status();
is($active - $before, 20, 'connections that are counted are those there are');

for my $i (1 .. 20) {
    $_->send_json({ type => 'agent:a', id => $i }) for @ws;
    $_->recv_until('ack') for @ws;
}

my @now = map { descriptors($_) } worker_pids($t);
ok(!(grep { $now[$_] > $fds[$_] + 10 } 0 .. $#now),
    'no descriptors are left behind');

# reload with calls under way

$_->send_json({ type => 'agent:a', id => 1, do => { delay => 0.4 } })
    for @ws;
my @old = worker_pids($t);
$t->reload();
my $ended = grep { $_ } map { answered($_) } @ws;
is($ended, 20, 'at a reload a client is answered, or sent away');

@ws = map { open_at($t, '/') } 1 .. 5;
is(scalar(grep { ($_->command({ type => 'agent:a' }) // {})->{type} eq 'ack' }
          @ws), 5, 'new clients go on');
ok(wait_for(sub { !grep { kill 0, $_ } @old }, 20), 'old workers end');

# what never comes does not hold up a worker

my $leaves = open_at($t, '/');
$leaves->send_json({ type => 'agent:a', do => { delay => 60 } });
wait_for(sub { grep { ($_->{body}{message}{do}{delay} // 0) == 60 }
                   map { asked($t, $_) } 8082, 8083 });
$leaves->close();
ok(scalar(reload_workers($t, 20)), 'nor does one that never comes');

# a shutdown with calls under way

$_->send_json({ type => 'agent:a', do => { delay => 0.3 } }) for @ws;
my @asking = map { ws_connect($t, '/asked/') } 1 .. 5;
$_->close() for @asking;
is(scalar(grep { defined $_ } @asking), 5, 'clients leave while asked about');

my ($last) = status();
cmp_ok($last, '<', 20, 'and are not counted for ever');
$t->stop();
ok(1, 'nginx stops');


sub open_at {
    my ($t, $uri) = @_;
    my $s = ws_connect($t, $uri);
    $s->recv_until('welcome');
    return $s;
}


# An ack, or that the client is to come back.

sub answered {
    my ($s) = @_;

    my $m = $s->recv_json(10);
    return 1 if $m && $m->{type} eq 'ack';

    return (($s->expect_close(10))[0] // 0) == 1012;
}


sub status {
    my $text = http_get('/status');
    my ($active) = $text =~ /Active connections: (\d+)/;
    my ($writing) = $text =~ /Writing: (\d+)/;
    return ($active, $writing);
}


sub descriptors {
    my ($pid) = @_;
    my @fds = glob("/proc/$pid/fd/*");
    return scalar @fds;
}
