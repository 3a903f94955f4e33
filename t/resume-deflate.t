#!/usr/bin/perl

# What was missed is compressed for those who get events compressed.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(16);

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
        history  events=1000 size=2m;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth            off;
    conductor_limit_conn      off;
    conductor_limit_messages  off;

    server {
        listen 127.0.0.1:8080;

        location /publish  { conductor_publish h; }
        location /         { conductor h; }
        location /on       { conductor h; conductor_compress on; }
        location /nine     { conductor h; conductor_compress 9; }
    }
}

EOF_CONF

$t->run();

my %ways = (
    'plain'                      => [ 0, '/' ],
    'compressed'                 => [ 1, '/on', 'permessage-deflate' ],
    'compressed well'            => [ 1, '/nine', 'permessage-deflate' ],
    'with a small window'        => [ 0, '/on',
        'permessage-deflate; server_max_window_bits=9' ],
    'that did not ask'           => [ 0, '/on' ],
);

my $n = 0;
my $zero = client($ways{plain})->recv_until('welcome')->{lastEventId};

my %live = map { $_ => client($ways{$_}) } keys %ways;
$_->recv_until('welcome') for values %live;

events($t, 40) for 1 .. 5;
my @sent = map { $_->{data} } messages($live{plain});
is(scalar @sent, $n, 'events are published');

for my $name (sort keys %ways) {
    my $wanted = $ways{$name}[0] ? $n : 0;
    my @live = $name eq 'plain' ? () : messages($live{$name});
    my @missed = messages(client($ways{$name}, "since=$zero"));

    is(join("\n", map { $_->{data} } @missed), join("\n", @sent),
        "a client $name gets what it missed");
    is(scalar(grep { $_->{compressed} } @missed), $wanted,
        'compressed if that is agreed on');

    next if $name eq 'plain';

    is(join('', map { $_->{compressed} } @missed),
        join('', map { $_->{compressed} } @live),
        'as with those who were there');
}

# many, of which some do not wait for the end

my @many = map { client($ways{compressed}, "since=$zero") } 1 .. 20;
$many[$_]->vanish() for grep { $_ % 2 } 0 .. 19;

is(scalar(grep { join("\n", map { $_->{data} } messages($_))
    eq join "\n", @sent } @many[grep { !($_ % 2) } 0 .. 19]), 10,
    'many get the same');


sub client {
    my ($way, $args) = @_;
    my (undef, $path, $extensions) = @$way;

    return ws_connect(Test::Nginx::port(8080), $path . ($args ? "?$args" : ''),
        $extensions ? (extensions => $extensions) : ());
}


# The messages with the events that there were.
sub messages {
    my ($ws) = @_;
    my @messages;

    while (@messages < $n) {
        my $m = $ws->recv_message() // last;
        push @messages, $m if $m->{data} =~ /"type":"e"/;
    }

    return @messages;
}


# Publishes so many events, which are large enough to be compressed.
sub events {
    my ($nginx, $count) = @_;
    my ($status) = publish($nginx, [ map {
        { type => 'e', n => ++$n, s => 'abcdefgh' x 100 } } 1 .. $count ]);

    die "status $status\n" if $status != 200;
}
