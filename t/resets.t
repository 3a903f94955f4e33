#!/usr/bin/perl

# Clients that reset their connection, in every state that one has.

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

my $t = need_conductor(Test::Nginx->new()
    ->has(qw/ http http_ssl mirror proxy socket_ssl /))->has_daemon('openssl')
    ->plan(36);

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

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth            off;
    conductor_limit_conn      off;
    conductor_ping            off;
    conductor_limit_messages  off;
    conductor_compress        on;
    client_header_buffer_size 8k;

    server {
        listen 127.0.0.1:8080 sndbuf=4k;
        listen 127.0.0.1:8443 ssl sndbuf=4k;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location / { conductor h; }

        location /large {
            conductor  h;
            add_header X-Large "$arg_x$arg_x$arg_x$arg_x$arg_x$arg_x" always;
        }

        location /echo { conductor h; conductor_protocol echo; }

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

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

certificate($t);

# it answers nothing until it is told to give up

my $backend = IO::Socket::INET->new(Listen => 100, ReuseAddr => 1,
    Blocking => 0,
    LocalAddr => '127.0.0.1', LocalPort => Test::Nginx::port(8081))
    or die "no socket: $!\n";

$t->run();
wait_for(sub { worker_pids($t) == workers() });

my $text = '{"type":"ping","id":"' . 'x' x 500 . '"}';
my $lot = [ map { { type => 'e', s => join '', map { rand } 1 .. 200 } }
            1 .. 16 ];

# what brings a client into a state

my @states = (
    'before it asks'           => sub { client(@_, raw_request => '') },
    'in its request'           => sub {
        client(@_, raw_request => "GET / HTTP/1.1\x0d\x0aHost: loc");
    },
    'once it has asked'        => sub { client(@_, wait => 0) },
    'while its 101 is blocked' => sub {
        client(@_, path => '/large?x=' . 'x' x 7000, wait => 0);
    },
    'between 101 and welcome'  => sub { client(@_, path => '/held') },
    'with a frame behind it'   => sub {
        client(@_, path => '/held', body => frame(1, $text));
    },
    'when it is open'          => sub { opened(@_) },
    'in the head of a frame'   => sub { says(substr(frame(1, $text), 0, 3),
                                             @_) },
    'in a frame'               => sub { says(substr(frame(1, $text), 0, 99),
                                             @_) },
    'between fragments'        => sub { says(frame(1, '{"a', fin => 0), @_) },
    'in what is compressed'    => sub {
        says(substr(frame(1, "\xaa\x56\x2a", rsv => 4, fin => 0), 0, -1), @_);
    },
    'while much waits for it'  => sub {
        my $ws = opened(@_);
        publish($_[0], $lot);
        return $ws;
    },
    'while it is not read'     => sub {
        my $ws = client(@_, path => '/echo', read_along => 0);
        1 while $ws->send_raw(frame(2, 'x' x 60000), timeout => 0.05);
        return $ws;
    },
    'while it is closed'       => sub { says(frame(3, ''), @_) },
    'while it cannot be'       => sub {
        my $ws = opened(@_);
        publish($_[0], $lot);
        $ws->send_frame(3, '');
        return $ws;
    },
    'when both have closed'    => sub {
        my $ws = says(frame(8, ''), @_);
        1 while $ws->recv_frame();
        return $ws;
    },
    'when its side is ended'   => sub {
        my $ws = opened(@_);
        shutdown $ws->sock(), 1;
        return $ws;
    },
);

my $witness = ws_connect($t, '/');
$witness->recv_until('welcome');

my @workers = worker_pids($t);
wait_for(sub { (health($t))[1]{connections} == 1 });
my %fds = map { $_ => fd_count($_) } @workers;

while (my ($name, $state) = splice @states, 0, 2) {
    for my $ssl (0, 1) {
        my @clients = map { $state->($t, $ssl) } 1 .. 4;

        # some while the worker looks on, some while it cannot

        $_->reset() for splice @clients, 0, 2;

        halt(@workers);
        $_->send_raw(frame(1, $text), timeout => 0.01) for @clients[0, 1];
        $_->reset() for @clients;
        kill 'CONT', $_ for @workers;

        ok(settle($t) && well($t, $witness),
            "a client is reset $name" . ($ssl ? ', over TLS' : ''))
    }
}

is(join(' ', worker_pids($t)), "@workers", 'all workers are what they were');
is_deeply([ $witness->faults() ], [], 'and nobody else saw a fault');


# A client with little room, and no more than connected.
sub client {
    my ($nginx, $ssl, %opt) = @_;
    my $path = delete $opt{path} // '/';

    return ws_connect($nginx, $path, ssl => $ssl, rcvbuf => 2048,
                      extensions => 'permessage-deflate',
                      exists $opt{raw_request} ? (wait => 0) : (), %opt);
}


# One that has got its welcome.
sub opened {
    my $ws = client(@_);
    $ws->recv_until('welcome') or die "no welcome\n";
    return $ws;
}


# One that has also sent something.
sub says {
    my ($octets, @client) = @_;
    my $ws = opened(@client);
    $ws->send_raw($octets);
    return $ws;
}


# Whether all that clients held is given back.
sub settle {
    my ($nginx) = @_;

    return wait_for(sub {
        while (my $held = $backend->accept()) { close $held }

        (health($nginx))[1]{connections} == 1
            && !grep { fd_count($_) != $fds{$_} } @workers
    }, 20);
}


# Whether another client is served.
sub well {
    my ($nginx, $ws) = @_;

    publish($nginx, { type => 'e', n => 'well' });
    return $ws->recv_until(sub { ($_->{n} // '') eq 'well' });
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
