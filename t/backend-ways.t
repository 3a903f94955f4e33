#!/usr/bin/perl

# The ways to a back end: whatever a location of nginx can pass a request to;
# and servers of the same name, each with a back end of its own.

use warnings;
use strict;

use IO::Socket::INET;
use JSON::PP;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Backend;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()
    ->has(qw/ http http_ssl proxy scgi uwsgi /))->plan(9);

my ($key, $cert) = Test::Conductor::certificate();

$t->write_file_expand('nginx.conf',
    conductor_conf(<<'EOF_CONF') =~ s/KEY/$key/r =~ s/CERT/$cert/gr);

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone   8m;
        state  %%TESTDIR%%/state;
    }

    conductor_auth off;

    server {
        listen 127.0.0.1:8080;
        server_name same;

        location /ws/https { conductor h; conductor_backend /https; }
        location /ws/unix  { conductor h; conductor_backend /unix; }
        location /ws/scgi  { conductor h; conductor_backend /scgi; }
        location /ws/uwsgi { conductor h; conductor_backend /uwsgi; }
        location /ws/own   { conductor h;
                             conductor_backend /own message disconnect; }

        location = /https {
            proxy_pass https://127.0.0.1:8091;
            proxy_ssl_verify on;
            proxy_ssl_session_reuse off;
            proxy_ssl_name localhost;
            proxy_ssl_trusted_certificate CERT;
        }

        location = /unix { proxy_pass http://unix:%%TESTDIR%%/back.sock; }

        location = /scgi {
            scgi_param SCGI 1;
            scgi_param CONTENT_LENGTH $content_length;
            scgi_pass  127.0.0.1:8084;
        }

        location = /uwsgi {
            uwsgi_param CONTENT_LENGTH $content_length;
            uwsgi_pass  127.0.0.1:8085;
        }

        location = /own { proxy_pass http://127.0.0.1:8082; }
    }

    server {
        listen 127.0.0.1:8090;
        server_name same;

        location /ws/own { conductor h;
                           conductor_backend /own message disconnect; }
        location = /own { proxy_pass http://127.0.0.1:8083; }
    }

    server {
        listen 127.0.0.1:8091 ssl;
        listen unix:%%TESTDIR%%/back.sock;

        ssl_certificate     CERT;
        ssl_certificate_key KEY;

        location / {
            proxy_pass http://127.0.0.1:8082;
            proxy_set_header X-Scheme $scheme;
        }
    }
}

EOF_CONF

backend($t, 8082);
backend($t, 8083);

for my $port (8084, 8085) {
    $t->run_daemon(\&gateway, port($port));
    $t->waitforsocket('127.0.0.1:' . port($port));
}

$t->run();

is(ask('/ws/https'), 3, 'a back end is asked over TLS');
is((asked($t, 8082))[-1]{headers}{'x-scheme'}, 'https', 'which it is');
is(ask('/ws/unix'), 3, 'or over a Unix socket');
is(ask('/ws/scgi'), 'agent:a', 'by SCGI');
is(ask('/ws/uwsgi'), 'agent:a', 'or by the protocol of uWSGI');

# servers of the same name

my %own = map { $_ => ws_connect(port($_), '/ws/own') } 8080, 8090;
my %id = map { $_ => $own{$_}->recv_until('welcome')->{connectionId} }
             keys %own;

for my $port (8080, 8090) {
    $own{$port}->command({ type => 'agent:a' });
    $own{$port}->close();
}

my %kinds = (8080 => 8082, 8090 => 8083);
for my $port (8080, 8090) {
    is(told($kinds{$port}, $id{$port}), 'message disconnect',
        'each of two servers of one name has its own back end');
    is(scalar(grep { $_->{body}{connectionId} eq $id{$port} }
              asked($t, $kinds{$port == 8080 ? 8090 : 8080})), 0,
        'which is told nothing of the other\'s clients');
}

###############################################################################


# What a back end finds, as the ack has it.
sub ask {
    my ($uri) = @_;
    my $ws = ws_connect($t, $uri);

    $ws->recv_until('welcome');
    return $ws->command({ type => 'agent:a', do =>
        { answer => { ack => { found => 3 } } } })->{found};
}


sub told {
    my ($port, $id) = @_;
    my @kinds;

    wait_for(sub {
        @kinds = map { $_->{body}{kind} }
            grep { $_->{body}{connectionId} eq $id } asked($t, $port);
        return @kinds == 2;
    });

    return join ' ', @kinds;
}


# A back end that speaks SCGI, or the protocol of uWSGI: it has found what type
# a message is of.
sub gateway {
    my ($port) = @_;
    my $listen = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port",
        Listen => 16, ReuseAddr => 1) or die "cannot listen: $!\n";

    while (my $s = $listen->accept()) {
        my ($in, $body) = ('');

        while (!defined $body && sysread $s, $in, 65536, length $in) {
            $body = body($in);
        }

        next if !defined $body;

        my $call = decode_json($body);
        my $text = encode_json({ ack => { found => $call->{message}{type} } });

        print $s "Status: 200 OK\r\nContent-Length: " . length($text)
            . "\r\n\r\n$text";
    }
}


# That of a request, when all of it is there.
sub body {
    my ($in) = @_;
    my $skip;

    if ($in =~ /^(\d+):/) {
        $skip = length("$1:,") + $1;

    } else {
        return if length $in < 4;
        $skip = 4 + unpack 'x v', $in;
    }

    return if length $in < $skip;

    my ($length) = substr($in, 0, $skip) =~ /CONTENT_LENGTH\W{1,2}(\d+)/;

    return if length $in < $skip + $length;
    return substr $in, $skip, $length;
}
