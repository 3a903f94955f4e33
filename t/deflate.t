#!/usr/bin/perl

# permessage-deflate, RFC 7692: messages, echoed and published.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use Compress::Raw::Zlib qw/ Z_SYNC_FLUSH /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(46);

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
        conductor_compress        on;
        conductor_protocol        echo;

        location / {
            conductor  h;
        }

        location /off {
            conductor           h;
            conductor_compress  off;
        }

        location /9 {
            conductor           h;
            conductor_compress  9;
        }

        location /large {
            conductor              h;
            conductor_max_message  16m;
        }

        location /native {
            conductor           h;
            conductor_protocol  native;
        }

        location /publish {
            conductor_publish  h;
        }
    }
}

EOF_CONF

$t->run();
wait_for(sub { worker_pids($t) == workers() });

my @faults;     # of every client, a list each

###############################################################################

# RSV1

is(first_octets($t, 0), '', 'RSV1 stands at the beginning of messages only');
is(first_octets($t, 4), '', 'and not on what continues a compressed one');
is(answer($t, frame(1, "J\x04\x00", rsv => 4), path => '/off'), 1002,
    'and nowhere where compression is off');
is(answer($t, frame(1, "J\x04\x00", rsv => 4), extensions => undef), 1002,
    'or was not asked for');

###############################################################################

# messages; the first five are the examples of the RFC

for my $case (
    [ 'f248cdc9c90700', 'Hello', 'a compressed message' ],
    [ '000500faff48656c6c6f00', 'Hello', 'a block without compression' ],
    [ 'f348cdc9c9070000', 'Hello', 'a block that says it is the last' ],
    [ 'f248050000 00ffff cac9c90700', 'Hello', 'two blocks' ],
    [ '00', '', 'an empty block' ],
    [ '', '', 'nothing at all' ],
    [ 'f348cdc9c90700 f348cdc9c9070000', 'HelloHello',
      'a block behind the last' ],
    [ '000000ffff' x 5000 . '00', '', 'thousands of empty blocks' ],
) {
    my ($hex, $text, $name) = @$case;
    $hex =~ tr/ //d;
    is(answer($t, frame(1, pack('H*', $hex), rsv => 4)), "1:$text",
        "$name is read");
}

my $ws = client($t);
$ws->send_raw(frame(1, "\xf2\x48\xcd", rsv => 4, fin => 0) . frame(9, 'p')
    . frame(0, "\xc9", fin => 0) . frame(0, "\xc9\x07\x00"), chunk => 1);
is_deeply([ $ws->recv_data(), $ws->pongs() ], [ 'Hello', [ 'p' ] ],
    'a compressed message may come in fragments, octet by octet');
$ws->send_text('plain', compress => 0);
is($ws->recv_data(), 'plain', 'and another one without compression');

$ws = client($t, body => frame(1, "\xf2\x48\xcd\xc9\xc9\x07\x00", rsv => 4));
is($ws->recv_data(), 'Hello', 'it may be behind the handshake');

$ws = client($t);
my $text = join ' ', map { "line $_ \x{20ac}" } 1 .. 3000;
$ws->send_fragmented(1, [ unpack '(a1000)*', encoded($text) ]);
my $message = $ws->recv_message();
is($message->{data}, encoded($text), 'a long text comes back');
is($message->{compressed}, 1, 'compressed');

$ws->send_binary('x' x 20);
is($ws->recv_message()->{compressed}, 0, 'a short message is left as it is');
$ws->send_binary(my $noise = noise(5000));
$message = $ws->recv_message();
is($message->{data}, $noise, 'so is one that would only grow');
is($message->{compressed}, 0, 'without compression');

$ws->send_text($text) for 1 .. 3;
$ws->send_text('end');
is_deeply($ws->sync(), [ (encoded($text)) x 3, 'end' ],
    'no message needs the one before');

###############################################################################

# what cannot be inflated

for my $case (
    [ 'ff', 'a reserved type of block' ],
    [ 'f248', 'half a block' ],
    [ '000500fbff48656c6c6f00', 'a length that is not its own complement' ],
    [ '02ffff', 'a distance beyond the beginning' ],
    [ '000500faff4865', 'a stored block that is cut' ],
) {
    my ($hex, $name) = @$case;
    is(answer($t, frame(1, pack('H*', $hex), rsv => 4)), 1002,
        "$name is refused");
}

is(answer($t, frame(1, "\xf2\x48\xcd\xc9\xc9\x07\x00", rsv => 4)
    . frame(1, "\xf2\x00\x11\x00\x00", rsv => 4)), '1:Hello 1002',
    'so is a message that needs the one before');
is(answer($t, frame(1, deflated("a\xff"), rsv => 4)), 1007,
    'and text that is not UTF-8');
is(answer($t, frame(1, deflated("\xe2\x82"), rsv => 4)), 1007, 'or not whole');
is(answer($t, frame(2, deflated("\xff"), rsv => 4)), "2:\xff",
    'but octets may be any');

###############################################################################

# bombs; 64 KB is the limit

is(answer($t, frame(2, deflated("\0" x 65536), rsv => 4)), "2:" . "\0" x 65536,
    'a message may inflate to the limit');
is(answer($t, frame(2, deflated("\0" x 65537), rsv => 4)), 1009,
    'and no further');
is(answer($t, frame(2, deflated("\0" x 30_000_000), rsv => 4)), 1009,
    'not at all far further');
is(answer($t, frame(2, '', rsv => 4, len => 80000)), 1009,
    'nor may it be much larger than that before');

my $full = join '', map { chr int rand 256 } 1 .. 65536;

is(answer($t, frame(2, deflated($full), rsv => 4)), "2:$full",
    'but as much as noise grows');

$ws = client($t, path => '/large');
my $zeros = "\0" x (16 << 20);
my $bomb = deflated($zeros);
$ws->send_frame(2, $bomb, rsv => 4);
ok(($ws->recv_data() // '') eq $zeros, '16 MiB may be 16 KB on their way');

$bomb = frame(2, deflated("$zeros\0"), rsv => 4);
my $before = memory($t);
is(join(' ', map { answer($t, $bomb, path => '/large') } 1 .. 20),
    join(' ', (1009) x 20), 'one octet more is refused, each time');
cmp_ok(memory($t) - $before, '<', 160 << 20, 'and leaves no memory behind');

###############################################################################

# windows: a distance never reaches back further than was agreed on

is(join(' ', grep { !window($t, $_) } 8 .. 15), '',
    'what is larger than a window less than the largest is not compressed');

###############################################################################

# levels

my $words = join ' ', map { "w" . $_ * $_ % 997 } 1 .. 5000;
cmp_ok(echo_size($t, '/9', $words), '<', echo_size($t, '/', $words),
    'a higher level compresses better');

###############################################################################

# events

my %ws = map { ($_->[0] => client($t, path => '/native',
                                  extensions => $_->[1])) } (
    [ plain => undef ],
    [ small => 'permessage-deflate; server_max_window_bits=9' ],
    [ full => 'permessage-deflate' ],
);

$_->recv_until('welcome') for values %ws;
publish($t, [ map { { type => 'e', n => $_, text => 'word ' x $_ } }
              0, 60, 600, 9000 ]);

my %got = map { my $w = $_; ($_ => [ map { $ws{$w}->recv_message() } 1 .. 4 ]) }
          keys %ws;

is(join(' ', map { $_->{compressed} } @{$got{plain}}), '0 0 0 0',
    'events come as they are to who asked for no compression');
is(join(' ', map { $_->{compressed} } @{$got{small}}), '0 1 0 0',
    'compressed if they fit the window of who has a small one');
is(join(' ', map { $_->{compressed} } @{$got{full}}), '0 1 1 1',
    'and else if they are worth it');
is_deeply([ map { $_->{data} } @{$got{small}}, @{$got{full}} ],
    [ map { $_->{data} } (@{$got{plain}}) x 2 ], 'and they are the same');

is($ws{full}->command({ type => 'ping' })->{type}, 'pong',
    'commands may be compressed');

###############################################################################

is_deeply([ map { @$_ } @faults ], [], 'the server itself kept to the rules');

###############################################################################

# A client that offers compression, and whose server is watched.
sub client {
    my ($t, %opt) = @_;
    my $ws = ws_connect($t, $opt{path} // '/',
                        extensions => 'permessage-deflate', %opt);

    push @{$ws->{faults}}, 'no WebSocket' unless $ws->is_open();
    push @faults, $ws->{faults};
    return $ws;
}

# What comes back for octets, up to a close or the answer to a ping.
sub answer {
    my ($t, $octets, %opt) = @_;
    my $ws = client($t, %opt);
    my @answer;

    $ws->send_raw($octets);
    $ws->send_frame(9, 'end');

    while (my $event = $ws->event_before($ws->deadline())) {
        last if $event->{opcode} == 10;
        push @answer, $event->{opcode} == 8 ? ($ws->expect_close())[0]
            : "$event->{opcode}:" . ($event->{data} // 'inflated wrongly');
        last if $event->{opcode} == 8;
    }

    return join ' ', @answer;
}

# Which first octets get what they should not: as the first of a connection,
# and inside a message that begins with these reserved bits.
sub first_octets {
    my ($t, $rsv) = @_;
    my @wrong;

    for my $octet (0 .. 255) {
        my $frame = chr($octet) . "\x83\0\0\0\0J\x04\x00";
        my $data = $octet =~ /^(?:1|2|65|66|129|130|193|194)$/;
        my $control = $octet =~ /^(?:136|137|138)$/;
        my $cont = $octet =~ /^(?:0|128)$/;

        my $first = answer($t, $frame) !~ /^1002$/;
        my $inside = answer($t, frame(1, '', rsv => $rsv, fin => 0) . $frame)
                     !~ /^1002$/;

        # a close with this payload is never right

        $control = 0 if $octet == 136;
        push @wrong, $octet if $first != ($data || $control)
                               || $inside != ($cont || $control);
    }

    return join ' ', @wrong;
}

# Whether a window of so many bits is kept to.
sub window {
    my ($t, $bits) = @_;
    my $ws = client($t,
        extensions => "permessage-deflate; server_max_window_bits=$bits");
    my $size = 1 << $bits;

    # the end repeats the beginning

    my $fits = noise($size - 120) . 'x' x 80;
    $fits .= substr $fits, 0, $size - length $fits;

    $ws->send_binary($fits);
    $ws->send_binary($fits . 'x');

    my ($in, $over) = ($ws->recv_message(), $ws->recv_message());

    return $in->{compressed} && ($in->{data} // '') eq $fits
           && $over->{data} eq $fits . 'x'
           && $over->{compressed} == ($bits == 15);
}

# The size on the wire of what an echo sends back.
sub echo_size {
    my ($t, $path, $data) = @_;
    my $ws = client($t, path => $path);

    $ws->send_text($data);
    return length $ws->recv_frame()->{payload};
}

# Octets that do not compress.
sub noise {
    my ($len) = @_;
    srand 1;
    return join '', map { chr int rand 256 } 1 .. $len;
}

# A message as it is on the wire.
sub deflated {
    my ($data) = @_;
    my $d = Compress::Raw::Zlib::Deflate->new(-AppendOutput => 1,
                                              -WindowBits => -15,
                                              -Bufsize => length($data) + 99);
    my $out = '';

    $d->deflate($data, $out);
    $d->flush($out, Z_SYNC_FLUSH);
    return substr $out, 0, -4;
}

# Characters as UTF-8.
sub encoded {
    my ($text) = @_;
    utf8::encode($text);
    return $text;
}

# The memory of all workers.  A sanitizer keeps what was freed, so it counts
# for nothing there, but leaks are then reported.
sub memory {
    my ($t) = @_;
    my $sum = 0;

    for my $pid (worker_pids($t)) {
        open my $maps, '<', "/proc/$pid/maps" or next;
        return 0 if grep { /libasan|libclang_rt/ } <$maps>;
        $sum += rss($pid) // 0;
    }

    return $sum;
}
