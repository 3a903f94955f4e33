#!/usr/bin/perl

# Who never reads: it costs its limit and no more, and costs nobody else.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

use constant KB => 1024;
use constant LIMIT => 256 * KB;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl /))
    ->has_daemon('openssl')->plan(14);

my $sanitized = $t->configured() =~ /-fsanitize/;

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     8m;
        history  events=10000 size=4m;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth            off;
    conductor_limit_conn      off;
    conductor_ping            off;
    conductor_limit_messages  off;
    conductor_max_queue       256k;

    server {
        listen 127.0.0.1:8080 sndbuf=4k;
        listen 127.0.0.1:8443 ssl sndbuf=4k;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location /        { conductor h; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

certificate($t);

$t->run();
wait_for(sub { worker_pids($t) == workers() });

my @quick = map { ws_connect($t, '/', ssl => $_) } 0, 0, 0, 1;
$_->recv_until('welcome') for @quick;

# the memory that a worker takes once and keeps

events($t, \@quick, 1 .. 10);

# who does not read events

my $number = 10;

for my $ssl (0, 1) {
    my $over = $ssl ? ' over TLS' : '';
    my @never = map { deaf($t, $ssl) } 1 .. 30;
    my $before = memory($t);

    events($t, \@quick, $number + 1 .. $number + 100);
    is(connections($t), 34, "all may be 200k behind$over");
    cheap(memory($t) - $before,
        30 * ($ssl ? 48 : 8) * KB + workers() * LIMIT,
        'which costs once for all of a worker');

    events($t, \@quick, $number + 101 .. $number + 200);
    ok(wait_for(sub { connections($t) == 4 }), "but not more$over");
    $number += 200;

    $_->drop() for @never;
}

# who does not read answers: those are its own

for my $ssl (0, 1) {
    my $over = $ssl ? ' over TLS' : '';
    my @never = map { deaf($t, $ssl) } 1 .. 20;
    my $before = memory($t);
    my $ping = frame(1, '{"type":"ping","id":"' . 'x' x 60 . '"}') x 40;
    my ($peak, $ended) = (0, 0);

    while (@never) {
        @never = grep { $_->send_raw($ping, timeout => 0.01)
                        && !$_->error() } @never;
        my $now = memory($t) - $before;
        $peak = $now if $now > $peak;
    }

    ok(wait_for(sub { connections($t) == 4 }),
        "who asks and does not listen is ended$over");
    cheap($peak, 20 * (LIMIT * 1.5 + ($ssl ? 48 : 16) * KB),
        "and has cost its limit");
}

events($t, \@quick, $number + 1 .. $number + 10);
is_deeply([ map { $_->faults() } @quick ], [],
    'who reads got every event, in order');
is(scalar(() = $t->read_file('error.log') =~ /closing with 1013/g), 100,
    'each of the others was closed with 1013');
is((publish($t, { type => 'e' }))[0], 200, 'the workers are well');
is($quick[0]->command({ type => 'ping' })->{type}, 'pong', 'as their clients');


# Publishes events of 2000 octets, one by one, that those who read get.
sub events {
    my ($nginx, $quick, @n) = @_;

    for my $n (@n) {
        publish($nginx, { type => 'e', n => $n, s => 'x' x 2000 });

        for my $ws (@$quick) {
            my $event = $ws->recv_json();
            die "event $n did not come\n" if ($event->{n} // 0) != $n;
        }
    }
}


# A client that has got its welcome and reads no more.
sub deaf {
    my ($nginx, $ssl) = @_;
    my $ws = ws_connect($nginx, '/', ssl => $ssl, rcvbuf => 2048,
                        read_along => 0);
    $ws->recv_until('welcome');
    return $ws;
}


# How many clients there are.
sub connections {
    my ($nginx) = @_;
    return (health($nginx))[1]{connections};
}


# The private memory of all workers; the history is not theirs.
sub memory {
    my ($nginx) = @_;
    my $sum = 0;

    $sum += private_memory($_) for worker_pids($nginx);

    return $sum;
}


# Whether memory grew by no more than that.
sub cheap {
    my ($grown, $most, $name) = @_;

    SKIP: {
        skip 'sanitizers keep memory of their own', 1 if $sanitized;
        note("$grown of $most octets");
        cmp_ok($grown, '<', $most, $name);
    }
}


# A certificate of nobody.
sub certificate {
    my ($nginx) = @_;
    my $d = $nginx->testdir();

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
           . " -nodes -subj /CN=localhost -days 2 -keyout $d/key.pem"
           . " -out $d/cert.pem >/dev/null 2>&1") == 0
        or die "openssl failed\n";
}
