#!/usr/bin/perl

# Large messages, many fragments, and clients that cost the server memory.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use Digest::MD5 qw/ md5_hex /;
use IO::Select;

select STDERR; $| = 1;
select STDOUT; $| = 1;

use constant MB => 1024 * 1024;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(27);

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
        listen  127.0.0.1:8081 sndbuf=8k rcvbuf=8k;

        conductor_auth            off;
        conductor_limit_conn      off;
        conductor_limit_messages  off;
        conductor_max_message     16m;

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
wait_for(sub { worker_pids($t) == workers() });

# A message that would show a gap, a doubling or a swap.
my $large = pack 'N*', 1 .. 4 * MB;

###############################################################################

# 16 MiB

my $ws = ws_connect($t, '/');
ok($ws->send_frame(2, $large), 'a message of 16 MiB is taken');
same($ws->recv_message(), $large, 'and comes back');
ok($ws->send_frame(2, $large, chunk => 99_999), 'as it is in pieces');
same($ws->recv_message(), $large, 'of another size');
ok($ws->send_frame(1, 'x' x (16 * MB)), 'text may be as large');
is(length($ws->recv_data() // ''), 16 * MB, 'and comes back');

$ws = ws_connect($t, '/', body => frame(2, $large));
same($ws->recv_message(), $large, 'it may all be behind the handshake');

$ws->send_frame(2, '', len => 16 * MB + 1);
is(($ws->expect_close())[0], 1009, 'one more octet is refused');

###############################################################################

# 65,536 fragments

my $mask = "\1\2\3\4";
my $empty = frame(0, '', fin => 0, key => $mask);

$ws = ws_connect($t, '/');
$ws->send_raw(frame(2, substr($large, 0, 256), fin => 0)
    . join('', map { frame(0, substr($large, $_ * 256, 256), fin => 0) }
               1 .. 65534)
    . frame(0, substr $large, -256));
same($ws->recv_message(), $large, 'a message of 65,536 fragments comes back');

$ws->send_raw(frame(1, 'a', fin => 0) . $empty x 65534 . frame(9, 'still'));
$ws->sync();
is($ws->pongs()->[0], 'still', 'fragments may be empty');
$ws->send_raw(frame(0, 'b'));
is($ws->recv_data(), 'ab', 'they are a message, too');

$ws->send_raw(frame(1, 'a', fin => 0) . $empty x 65535);
is_deeply($ws->sync(), [], 'as many are no error as long as more may come');
$ws->send_raw(frame(0, 'b'));
is(($ws->expect_close())[0], 1009, 'but one more is refused');

###############################################################################

# what is only announced costs nothing

my @idle = map { ws_connect($t, '/') } 1 .. 200;
$_->sync() for @idle;
my $before = memory($t);

$_->send_frame(2, 'abc', len => 16 * MB) for @idle;
$_->send_raw('x' x 1000) for @idle;
taken($t);
cmp_ok(memory($t) - $before, '<', 8 * MB,
    '200 clients that announce 16 MiB each do not get it');

$_->reset() for @idle;
ok(wait_for(sub { connections($t) == 0 }), 'nor are they missed');

$before = memory($t);

my $half = substr frame(2, $large), 0, 8 * MB;

for (1 .. 30) {
    $ws = ws_connect($t, '/');
    $ws->send_raw($half);
    taken($t);
    $ws->reset();
}

ok(wait_for(sub { connections($t) == 0 }), 'clients vanish inside a message');
cmp_ok(memory($t) - $before, '<', 64 * MB, 'and what they sent is given back');

###############################################################################

# a client that sends and does not read

$before = memory($t);
my @messages = map { substr $large, $_ * 50_000, 50_000 } 0 .. 99;
$ws = held($t, '/');
my $todo = join '', map { frame(2, $_) } @messages;
my $done = push_all($ws, $todo);

cmp_ok($done, '<', length $todo, 'an echo that is not read stops reading');
cmp_ok(memory($t) - $before, '<', 4 * MB, 'and holds little');

is(wrong($ws, substr($todo, $done), @messages), '',
    'all comes back in order once it is read');

# small messages until the socket is full, and then one beyond the queue

@messages = ((map { substr $large, $_ * 500, 500 } 1 .. 60),
             substr($large, 0, 2 * MB), 'end');
$ws = held($t, '/');
$todo = join '', map { frame(2, $_) } @messages;
$done = push_all($ws, $todo);

is(wrong($ws, substr($todo, $done), @messages), '',
    'so do messages that are larger than the queue may be');

@messages = map { substr $large, $_ * 100, 100 } 1 .. 20_000;
$ws = held($t, '/');
$todo = join '', map { frame(2, $_) } @messages;
$done = push_all($ws, $todo);

cmp_ok($done, '<', length $todo, 'small messages are held back as well');
is(wrong($ws, substr($todo, $done), @messages), '', 'and come back in order');

# a flood of pings is no echo: its pongs are queued

$before = memory($t);
$ws = held($t, '/native');
push_all($ws, join '', map { frame(9, pack('N', $_) . 'x' x 121) }
                           1 .. 100_000);

ok(wait_for(sub { connections($t) == 0 }),
    'a client that floods with pings and reads nothing is closed');
cmp_ok(memory($t) - $before, '<', 4 * MB, 'before it costs much');
like(pongs($ws), qr/^\d+ in order, closed with 1(?:013|006)$/,
    'what it can read is whole and in order');

###############################################################################

$ws = ws_connect($t, '/');
$ws->send_frame(2, 'x' x MB) for 1 .. 3;
$ws->drop();
ok(wait_for(sub { connections($t) == 0 }), 'nothing is left behind');

###############################################################################

# Compares large octets without printing them.
sub same {
    my ($message, $want, $name) = @_;
    is(md5_hex($message->{data} // ''), md5_hex($want), $name);
}

# A client with small buffers that reads only when told.
sub held {
    my ($t, $path) = @_;
    return ws_connect(port(8081), $path, rcvbuf => 8192, sndbuf => 8192);
}

# Writes until nothing is taken for a while: how much was.
sub push_all {
    my ($ws, $octets) = @_;
    my ($done, $sock) = (0, $ws->sock());
    local $SIG{PIPE} = 'IGNORE';

    while ($done < length $octets && IO::Select->new($sock)->can_write(0.5)) {
        $done += syswrite($sock, $octets, 65536, $done) // last;
    }

    return $done;
}

# Writes the rest while it reads: which message does not come back, if any.
sub wrong {
    my ($ws, $rest, @messages) = @_;

    $ws->send_raw($rest, timeout => 30) or return 'cannot write the rest';

    for my $i (0 .. $#messages) {
        my $data = $ws->recv_data() // return "no message $i, "
            . join ' ', $ws->expect_close(1);
        return "message $i is wrong" if $data ne $messages[$i];
    }

    return join ', ', $ws->faults();
}

# What a flood of pings got.
sub pongs {
    my ($ws) = @_;
    my ($n, $right) = (0, 'in order');

    while (my $frame = $ws->recv_frame()) {
        next if $frame->{opcode} == 1;
        last if $frame->{opcode} == 8;
        $right = 'out of order' if unpack('N', $frame->{payload}) != ++$n;
    }

    my ($code) = $ws->expect_close(undef, reply => 0);
    return "$n $right, closed with $code";
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

# Waits until the server has read what every client sent so far, as the queues
# of both ends show.
sub taken {
    my ($t) = @_;
    my $port = sprintf '%04X', port(8080);

    return wait_for(sub {
        open my $f, '<', '/proc/net/tcp' or return 1;
        return !grep {
            /^\s*\d+: \w+:$port \S+ \S+ \w+:(\w+)/ && hex $1
            || /^\s*\d+: \S+ \w+:$port \S+ (\w+):/ && hex $1
        } <$f>;
    });
}

# How many connections the hub has.
sub connections {
    my ($t) = @_;
    return (health($t))[1]{connections};
}
