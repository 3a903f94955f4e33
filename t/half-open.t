#!/usr/bin/perl

# Peers that are gone without a word: nothing they are sent is acknowledged,
# nothing ends TCP, and yet all they held is given back.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl /))
    ->has_daemon('openssl')->plan(15);

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
        history  events=1000 size=4m;
        drain    500ms;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth        off;
    conductor_limit_conn  off;
    conductor_ping        off;
    client_header_timeout 3s;

    server {
        listen 127.0.0.1:8080 sndbuf=4k;
        listen 127.0.0.1:8443 ssl sndbuf=4k;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location / { conductor h; }

        location /ping {
            conductor        h;
            conductor_ping   400ms timeout=400ms;
        }

        location /small {
            conductor           h;
            conductor_max_queue 16k;
        }

        location /idle {
            conductor              h;
            conductor_idle_timeout 500ms;
        }

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

certificate($t);

$t->run();
wait_for(sub { worker_pids($t) == workers() });

my $witness = ws_connect($t, '/');
$witness->recv_until('welcome');

my @workers = worker_pids($t);
wait_for(sub { (health($t))[1]{connections} == 1 });
my %fds = map { $_ => fd_count($_) } @workers;

# in the handshake

my @gone = (gone($t, '/', raw_request => '', wait => 0),
            gone($t, '/', raw_request => "GET / HTTP/1.1\x0d\x0aHost: loc",
                 wait => 0));
ok(settle($t), 'gone before it has asked');

@gone = map {
    my $ws = ws_connect($t, '/ping', ssl => $_, wait => 0,
                        raw_request => 'GE');
    $ws->vanish();
    $ws->send_raw(substr $ws->request('/ping'), 2);
    $ws
} 0, 0, 1, 1;

my $unanswered = qr/a ping was not answered in 400 ms/;
ok(wait_for(sub { 4 == (() = $t->read_file('error.log') =~ /$unanswered/g) },
            20), 'who is gone when the answer comes is a client');
ok(settle($t), 'until a ping is not answered');

# an open connection

@gone = gone($t, '/ping');
ok(settle($t), 'gone with nothing on the way');

@gone = gone($t, '/ping');
$_->send_raw(substr frame(1, '{"type":"ping"}'), 0, 9) for @gone;
ok(settle($t), 'gone inside a frame');

@gone = gone($t, '/idle');
ok(settle($t), 'gone from where there is no ping, but a limit to silence');

@gone = gone($t, '/small');
my @n = map { publish($t, { type => 'e', n => $_, s => 'x' x 3000 });
              $witness->recv_until('e')->{n} } 1 .. 20;
is(scalar(grep { $_->pending() } @gone), 0, 'to whom is gone nothing comes');
ok(settle($t), 'and no more waits for it than may');
is("@n", "@{[ 1 .. 20 ]}", 'while others get all');

# a connection that ends

@gone = gone($t, '/');
$_->send_frame(3, '') for @gone;
ok(settle($t), 'gone when it is closed');

@gone = gone($t, '/');
$_->send_frame(8, '') for @gone;
ok(settle($t), 'gone after its own close');

@gone = gone($t, '/');
my @old = reload_workers($t, 30);
ok(@old && wait_gone(\@old, 30), 'nor do they keep an old worker');
is(($witness->expect_close())[0], 1012, 'which sends the others on');
is((health($t))[1]{connections}, 0, 'and leaves nothing behind');
is_deeply([ $witness->faults() ], [], 'and no fault was found');


# Clients, two plain and two over TLS, welcome or in their requests, that are
# gone.
sub gone {
    my ($nginx, $path, %opt) = @_;
    my @all;

    for my $ssl (0, 0, 1, 1) {
        my $ws = ws_connect($nginx, $path, ssl => $ssl, rcvbuf => 2048, %opt);
        $ws->recv_until('welcome') if $ws->status();
        push @all, $ws;
    }

    $_->vanish() for @all;
    return @all;
}


# Whether all that was held but for one client is given back.
sub settle {
    my ($nginx) = @_;

    return wait_for(sub {
        (health($nginx))[1]{connections} == 1
            && !grep { fd_count($_) != $fds{$_} } @workers
    }, 20);
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
