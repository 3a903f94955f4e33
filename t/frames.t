#!/usr/bin/perl

# Frames, RFC 6455 section 5: every rule for what a client sends, on an echo.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(60);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 32m;
        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen  127.0.0.1:8080;

        conductor_auth            off;
        conductor_limit_conn      off;
        conductor_limit_messages  off;

        location / {
            conductor           h;
            conductor_protocol  echo;
        }

        location /native {
            conductor  h;
        }

        location /health {
            conductor_health  h;
        }
    }
}

EOF_CONF

$t->run();

my @faults;     # of every client, a list each

###############################################################################

# the first octet: all 256 of them, between messages and inside one

is(join(' ', grep { first_octet($t, $_, 0) ne first_right($_, 0) } 0 .. 255),
    '', 'of all first octets the right ones are taken');
is(join(' ', grep { first_octet($t, $_, 1) ne first_right($_, 1) } 0 .. 255),
    '', 'and inside a message as well');

###############################################################################

# the second: mask and length

is(answer($t, frame(1, 'a', mask => 0)), 1002, 'an unmasked text is refused');
is(answer($t, frame(9, '', mask => 0)), 1002, 'so is an unmasked ping');
is(answer($t, frame(8, '', mask => 0)), 1002, 'and an unmasked close');
is(answer($t, "\x81\x00"), 1002, 'and an empty unmasked text');
is(answer($t, "\x81\x7f"), 1002, 'at its second octet');

for my $case ([ 16, 0 ], [ 16, 1 ], [ 16, 125 ], [ 64, 0 ], [ 64, 125 ],
              [ 64, 126 ], [ 64, 65535 ])
{
    my ($form, $len) = @$case;
    is(answer($t, frame(1, 'x' x $len, len_form => $form)), 1002,
        "a length of $len in $form bits is refused");
}

is(answer($t, frame(2, '', len => 2 ** 63)), 1002,
    'a length with its top bit set is refused');
is(answer($t, "\x82\xff\x80"), 1002, 'at that octet');
is(answer($t, "\x82\xff\x00\x00\x00\x00\x00\x00"), 1002,
    'a length that can only be too short for 64 bits is, too');
is(answer($t, frame(9, 'x' x 126)), 1002, 'a ping of 126 octets is refused');
is(answer($t, frame(9, 'x', len_form => 16)), 1002,
    'and one with a length of 16 bits');
is(answer($t, frame(10, 'x' x 126)), 1002, 'and such a pong');
is(answer($t, frame(9, 'x' x 65536)), 1002, 'and a ping of 64 KB');

###############################################################################

# sizes: 64 KB is the limit

my $ws = client($t);
$ws->send_binary(octets(65536));
is($ws->recv_data(), octets(65536), 'the largest message comes back');
is(answer($t, frame(2, '', len => 65537)), 1009,
    'one more octet is refused before it is sent');
is(answer($t, frame(1, '', len => 2 ** 62)), 1009, 'and so is any size');
is(answer($t, frame(2, 'x' x 65000, fin => 0) . frame(0, '', len => 537)),
    1009, 'fragments are summed');
is(answer($t, frame(2, 'x' x 65536, fin => 0) . frame(9, 'x' x 125)),
    'ping', 'but control frames between them are not');
is(answer($t, frame(2, 'x' x 65536, fin => 0) . frame(0, '', fin => 0)
    . frame(0, '')), '2:65536', 'nor do empty fragments count');
is(answer($t, frame(1, '', len => 65537), '/native'), 1009,
    'the native protocol has the same limit');

my @lengths = (0 .. 20, 120 .. 135, 250 .. 260, 65530 .. 65536);
$ws = client($t);
$ws->send_binary(octets($_)) for @lengths;
is(join(' ', grep { ($ws->recv_data() // '') ne octets($_) } @lengths), '',
    'messages of all lengths around the forms come back');
is(answer($t, frame(1, 'abc', key => "\0\0\0\0")), '1:3',
    'a mask of zeros is one');

###############################################################################

# messages and fragments

$ws = client($t);
$ws->send_text('');
is($ws->recv_data(), '', 'an empty text comes back');
$ws->send_binary('');
is($ws->recv_message()->{opcode}, 2, 'and an empty binary message as such');

$ws->send_fragmented(1, [ 'a', '', 'b', 'c' ], between => frame(9, 'p'));
my $message = $ws->recv_message();
is($message->{data}, 'abc', 'fragments become a message');
is($message->{frames}, 1, 'in one frame');
is("@{$ws->pongs()}", 'p p p', 'and pings between them are answered first');

$ws->send_fragmented(1, [ '', '', '' ]);
is($ws->recv_data(), '', 'empty fragments are an empty message');
$ws->send_fragmented(2, [ ('xy') x 3000 ]);
is($ws->recv_data(), 'xy' x 3000, 'fragments may be many');

is(answer($t, frame(0, 'a')), 1002, 'there is no continuation of nothing');
is(answer($t, frame(1, 'a', fin => 0) . frame(1, 'b')), 1002,
    'no message begins inside another');
is(answer($t, frame(1, 'a', fin => 0) . frame(0, 'b') . frame(0, 'c')),
    '1:2 1002', 'a message ends once');

###############################################################################

# pings and pongs

$ws = client($t);
$ws->send_frame(9, octets($_)) for 0 .. 125;
$ws->sync();
is_deeply([ @{$ws->pongs()}[0 .. 125] ], [ map { octets($_) } 0 .. 125 ],
    'each ping gets its payload back, in order');
$ws->send_frame(9, octets(125), chunk => 1);
$ws->sync();
is($ws->pongs()->[-2], octets(125), 'octet by octet, too');
$ws->send_frame(10, 'unasked');
$ws->send_frame(10, '', chunk => 1);
is_deeply($ws->sync(), [], 'a pong that nobody asked for is ignored');

###############################################################################

# any pieces

my $talk = frame(1, 'one') . frame(2, octets(300), fin => 0)
    . frame(9, 'mid') . frame(0, octets(200)) . frame(10, 'x')
    . frame(1, "gr\xc3\xbcn") . frame(1, '') . frame(2, octets(66), fin => 0)
    . frame(0, '') . frame(9, '');
my @right = ('one', octets(300) . octets(200), "gr\xc3\xbcn", '', octets(66));

for my $size (1, 2, 3, 5, 7, 13, 64) {
    $ws = client($t);
    $ws->send_raw($talk, chunk => $size);
    is_deeply($ws->sync(), \@right, "in pieces of $size nothing changes");
}

###############################################################################

# behind the handshake, in the same write

$ws = client($t, body => $talk);
is_deeply($ws->sync(), \@right, 'frames may come with the handshake');

is_deeply([ grep { !pipelined($t, $_) } 1 .. length(frame(1, 'x' x 200)) - 1 ],
    [], 'cut anywhere');

my @many = map { octets(1000 + $_) } 0 .. 99;
$ws = client($t, body => join '', map { frame(2, $_) } @many);
is_deeply($ws->sync(), \@many, 'and be more than 64 KB');

$ws = client($t, headers => [ 'X-Long: ' . 'x' x 5000 ], body => $talk);
is_deeply($ws->sync(), \@right, 'also behind long headers');

is(answer($t, '', '/', frame(1, 'a') . frame(3, '')), '1:1 1002',
    'what is wrong among them is refused');

###############################################################################

# the native protocol has no binary messages

is(answer($t, frame(2, 'a'), '/native'), 1003, 'a binary message is refused');
is(answer($t, frame(2, 'a', len => 500), '/native'), 1003,
    'at its first octet');
is(answer($t, frame(2, '', fin => 0) . frame(0, ''), '/native'), 1003,
    'and an empty one');

###############################################################################

undef $ws;
is_deeply([ map { @$_ } @faults ], [], 'the server itself kept to the rules');
ok(wait_for(sub { (health($t))[1]{connections} == 0 }),
    'and has no connection left');

###############################################################################

# A client whose server is watched.
sub client {
    my ($t, %opt) = @_;
    my $ws = ws_connect($t, $opt{path} // '/', %opt);

    push @{$ws->{faults}}, 'no WebSocket' unless $ws->is_open();
    push @faults, $ws->{faults};
    return $ws;
}

# What comes back for octets: messages as opcode:length, "ping" for a pong to
# that, and the code of a close, all up to a close or the answer to a ping.
sub answer {
    my ($t, $octets, $path, $body) = @_;
    my $ws = client($t, path => $path // '/', body => $body);
    my @answer;

    $ws->recv_json() if ($path // '') eq '/native';
    $ws->send_raw($octets);
    $ws->send_frame(9, 'end');

    while (my $frame = $ws->recv_frame()) {
        my ($opcode, $payload) = @$frame{qw/ opcode payload /};

        if ($opcode == 8) {
            my ($code, undef, $ended) = $ws->expect_close();
            push @answer, $code, $ended ? () : 'open';
            last;
        }

        last if $opcode == 10 && $payload eq 'end';
        push @answer, $opcode == 10 ? 'ping'
                                    : "$opcode:" . length $payload;
    }

    return join ' ', @answer;
}

# What a frame of this first octet gets, 'ok' if nothing is wrong with it.
sub first_octet {
    my ($t, $octet, $inside) = @_;
    my $answer = answer($t, ($inside ? frame(1, 'a', fin => 0) : '')
                            . chr($octet) . "\x80abcd");

    return $answer =~ /^1002$/ ? 1002 : $answer =~ /^1005$/ ? 'close' : 'ok';
}

# What it should get.
sub first_right {
    my ($octet, $inside) = @_;
    my ($fin, $rsv, $opcode) = ($octet >> 7, $octet >> 4 & 7, $octet & 15);

    return 1002 if $rsv;
    return $inside ? 'ok' : 1002 if $opcode == 0;
    return $inside ? 1002 : 'ok' if $opcode <= 2;
    return 1002 if $opcode < 8 || $opcode > 10 || !$fin;
    return $opcode == 8 ? 'close' : 'ok';
}

# Whether a frame comes back that is cut after so many octets, the first part
# of it in the write of the handshake.
sub pipelined {
    my ($t, $cut) = @_;
    my $frame = frame(1, 'x' x 200);
    my $ws = client($t, body => substr $frame, 0, $cut);

    $ws->send_raw(substr $frame, $cut);
    return ($ws->recv_data() // '') eq 'x' x 200;
}

# Octets that are not all the same.
sub octets {
    my ($len) = @_;
    return substr pack('n*', 0 .. $len / 2 + 1), 0, $len;
}
