#!/usr/bin/perl

# Writes of which the socket takes a part are resumed at the right octet: at
# every size where the way of a frame changes, plain and over TLS.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use Digest::SHA qw/ sha1_hex /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl /))
    ->has_daemon('openssl')->plan(26);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     24m;
        history  events=10000 size=16m;

        channel c { default on; }
        event e { channel c; }
    }

    client_max_body_size      4m;
    conductor_auth            off;
    conductor_limit_conn      off;
    conductor_ping            off;
    conductor_limit_messages  off;
    conductor_max_message     1m;
    conductor_max_queue       16m;

    server {
        listen 127.0.0.1:8080 sndbuf=4k;
        listen 127.0.0.1:8443 ssl sndbuf=4k;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location /           { conductor h; }
        location /compressed { conductor h; conductor_compress on; }
        location /echo       { conductor h; conductor_protocol echo; }
        location /publish    { conductor_publish h; }
    }
}

EOF_CONF

certificate($t);

$t->run();

# Who does not read until all is published: what is sent to them stops at some
# octet of some frame, and each that reads so much at a time moves it on.

my %ways = (
    'plain'                => [ '/' ],
    'compressed'           => [ '/compressed', deflate() ],
    'over TLS'             => [ '/', ssl => 1 ],
    'compressed, over TLS' => [ '/compressed', ssl => 1, deflate() ],
);

my %clients = map { $_ => [ slow($t, @{$ways{$_}}, read_size => 7),
                            slow($t, @{$ways{$_}}, read_size => 1000) ] }
              sort keys %ways;
my @all = map { @$_ } values %clients;

my $quick = ws_connect($t, '/');
$_->recv_until('welcome') for @all, $quick;

publish($t, { type => 'e', n => 100, s => '' });
my $rest = length $quick->recv_data();
$_->recv_json() for @all;

# frames whose length takes another form; small and large buffers of a queue;
# what is copied together for a write; a record of TLS

my @sizes = map { my $edge = $_; map { $edge - $rest + $_ } -2 .. 2 }
            grep { $_ > $rest + 2 } 126, 512, 4096, 16384, 32768, 65536;
my (@want, $n);

for my $size (@sizes, 0, 1, 300, 0, 3000) {
    my $s = noise(++$n, $size);

    publish($t, { type => 'e', n => 100 + $n, s => $s });
    push @want, 100 + $n . ' ' . sha1_hex($s);
    $quick->recv_json();

    next if $n % 3;

    $_->send_json({ type => 'ping', id => $n }) for @all;
    push @want, "pong $n";
}

my @batch = map { { type => 'e', n => 1000 + $_, s => noise($_, 900) } }
            1 .. 200;
publish($t, \@batch);
push @want, map { "$_->{n} " . sha1_hex($_->{s}) } @batch;
$quick->recv_until(sub { $_->{n} == 1200 });

for my $way (sort keys %clients) {
    for my $ws (@{$clients{$way}}) {
        my @got = map { sum($ws->recv_json(20)) } @want;

        is_deeply([ grep { !/pong/ } @got ], [ grep { !/pong/ } @want ],
            "all events come whole and in order: $way");
        is_deeply([ grep { /pong/ } @got ], [ grep { /pong/ } @want ],
            'so do the answers');
        is_deeply([ $ws->faults() ], [], 'and no frame is torn');
    }
}

# An echo whose answers stop and go on.

for my $ssl (0, 1) {
    my $ws = slow($t, '/echo', ssl => $ssl, read_size => 1000);
    my @sent = map { noise($_, $_) } map { $_ - 2 .. $_ + 2 }
               1, 128, 4096, 65536;

    $ws->{read_along} = 0;
    my ($i, $same) = (0, 0);

    for my $message (@sent) {
        $ws->send_frame(2, $message);
        next if ++$i % 4;
        $same += ($ws->recv_data(20) // '') eq $_ for @sent[$i - 4 .. $i - 1];
    }

    is($same, scalar(@sent), 'an echo comes back' . ($ssl ? ' over TLS' : ''));
}


# A client with little room for what comes.
sub slow {
    my ($nginx, $path, %opt) = @_;
    return ws_connect($nginx, $path, %opt, rcvbuf => 2048);
}


# What asks for compression.
sub deflate { (extensions => 'permessage-deflate') }


# Text that does not compress to nothing, the same for the same number.
sub noise {
    my ($seed, $size) = @_;
    my $text = '';
    $text .= sha1_hex("$seed " . length $text) while length $text < $size;
    return substr $text, 0, $size < 0 ? 0 : $size;
}


# What a message says, in short.
sub sum {
    my ($m) = @_;

    return 'nothing' unless $m;
    return "pong $m->{id}" if $m->{type} eq 'pong';
    return ($m->{n} // 'none') . ' ' . sha1_hex($m->{s} // '');
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
