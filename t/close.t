#!/usr/bin/perl

# The closing handshake, and text that is not UTF-8, on an echo.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(89);

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
            conductor              h;
            conductor_protocol     echo;
            conductor_max_message  1m;
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

# the client closes

for my $code (1000 .. 1003, 1007 .. 1014, 3000, 3999, 4000, 4999) {
    is_deeply([ client($t)->close($code, 'why') ], [ $code, '', 1 ],
        "$code is answered by the same");
}

is_deeply([ client($t)->close() ], [ 1005, '', 1 ],
    'a close without a code is answered by one without');

for my $code (0, 1, 999, 1004 .. 1006, 1015, 1016, 2000, 2999, 5000, 65535) {
    is(failure($t, frame(8, pack 'n', $code)), '1002 ended',
        "$code may not be sent");
}

is(failure($t, frame(8, "\x03")), '1002 ended', 'half a code is refused');
is(failure($t, frame(8, pack('n', 1000) . 'x' x 123)), '1000 ended',
    'a reason may have 123 octets');
is(failure($t, frame(8, pack('n', 1000) . 'x' x 124)), '1002 ended',
    'and no more');
is(failure($t, frame(8, pack('n', 1000) . "\xc3\xbc\xf0\x9f\x98\x80")),
    '1000 ended', 'a reason is UTF-8');
is(failure($t, frame(8, pack('n', 1000) . "a\xff")), '1007 ended',
    'and nothing else');
is(failure($t, frame(8, pack('n', 1000) . "\xe2\x82")), '1007 ended',
    'and whole');
is(failure($t, frame(8, pack('n', 1000) . 'octets'), chunk => 1),
    '1000 ended', 'a close may come octet by octet');
is(failure($t, frame(1, 'a', fin => 0) . frame(8, pack 'n', 1001)),
    '1001 ended', 'and inside a message');
is(failure($t, frame(8, pack('n', 1000), fin => 0)), '1002 ended',
    'but not in fragments');

is(failure($t, frame(8, pack 'n', 1000) . frame(1, 'late') . frame(9, '')),
    '1000 ended', 'what follows a close is not answered');
is(failure($t, frame(8, pack 'n', 1000) . "\xff\xff\xff"), '1000 ended',
    'nor judged');
is(failure($t, frame(3, '') . frame(8, pack 'n', 1000)), '1002 ended',
    'after an error nothing is');

my $ws = client($t);
$ws->send_raw(join('', map { frame(1, "$_") } 1 .. 50)
              . frame(8, pack 'n', 1000));
is(join(' ', map { $ws->recv_data() } 1 .. 50), join(' ', 1 .. 50),
    'what came before a close is answered first');
is_deeply([ $ws->expect_close() ], [ 1000, '', 1 ], 'then the close');

$ws = client($t, body => frame(1, 'a') . frame(8, pack 'n', 1000));
is($ws->recv_data(), 'a', 'a close may be there before the handshake ends');
is_deeply([ $ws->expect_close() ], [ 1000, '', 1 ], 'and is answered');

$ws = client($t);
at_once($t, sub {
    $ws->send_raw(frame(1, 'a') . frame(8, pack 'n', 1000));
    shutdown $ws->sock(), 1;
});
is($ws->recv_data(), 'a', 'a client that ends its side of TCP at once');
is_deeply([ $ws->expect_close(undef, reply => 0) ], [ 1000, '', 1 ],
    'gets its answers nevertheless');

$ws = client($t);
at_once($t, sub {
    $ws->send_raw(frame(1, 'a'));
    shutdown $ws->sock(), 1;
});
is($ws->recv_data(), 'a', 'so does one that sends no close');
is_deeply([ $ws->expect_close(undef, reply => 0) ], [ 1006, '', 1 ],
    'and its connection ends');

###############################################################################

# the server closes, and ends TCP whatever the peer does

$ws = client($t);
$ws->send_frame(3, '');
is_deeply([ $ws->expect_close(undef, reply => 0) ],
    [ 1002, 'reserved opcode', 1 ], 'TCP ends where the peer does not answer');

$ws = client($t, path => '/native');
$ws->recv_json();
$ws->send_raw(frame(2, 'x') . frame(1, 'y' x 60000) x 3);
is_deeply([ $ws->expect_close() ], [ 1003, 'messages are text', 1 ],
    'and where it sends on');
ok(!$ws->was_reset(), 'without a reset that could destroy the close');

$ws = client($t);
$ws->send_frame(3, '');
$ws->recv_frame();
shutdown $ws->sock(), 1;
ok($ws->eof(), 'and where it only ends its side');

$ws = client($t, rcvbuf => 4096, read_along => 0);
$ws->send_raw(frame(2, 'x' x 1000000) . frame(3, ''), timeout => 2);
ok(wait_for(sub { connections($t) == 0 }),
    'a peer that vanishes before it has read all is let go');

my @silent = map { client($t) } 1 .. 3;
ok(held($silent[0]->sock()->sockport()),
    'a worker holds the socket of a client');
$silent[0]->send_frame(3, '');
$silent[1]->send_frame(8, '');
$silent[2]->reset();
ok(wait_for(sub { connections($t) == 0 }),
    'no connection waits for a peer that never ends its own');
ok(wait_for(sub { !grep { held($_->sock()->sockport()) } @silent[0, 1] }),
    'and its socket is given back');

###############################################################################

# text: refused at the first wrong octet, though the rest was never sent

for my $case (
    [ 'an octet that is never right', "a\xff" ],
    [ 'a continuation of nothing', "a\x80" ],
    [ 'a sequence that is broken off', "\xe2\x28" ],
    [ 'NUL in two octets', "\xc0" ],
    [ 'a slash in two octets', "\xc1" ],
    [ 'a slash in three', "\xe0\x9f" ],
    [ 'a surrogate', "\xed\xa0" ],
    [ 'four octets for three', "\xf0\x8f" ],
    [ 'beyond U+10FFFF', "\xf4\x90" ],
    [ 'far beyond', "\xf5" ],
    [ 'five octets', "\xf8" ],
    [ 'wrong at the fourth', "\xf0\x9f\x98\x7f" ],
) {
    my ($name, $text) = @$case;

    is(failure($t, frame(1, $text, len => 1000)), '1007 ended',
        "$name is refused at once");
    is(failure($t, frame(1, $text), chunk => 1), '1007 ended',
        'and octet by octet');
}

is(failure($t, frame(1, "ok \xe2\x82", fin => 0)
           . frame(0, "\xac\xe2", fin => 0) . frame(0, "\x28", len => 99)),
    '1007 ended', 'a sequence may span fragments, but not wrongly');
is(failure($t, frame(1, "\xe2\x82")), '1007 ended',
    'a message may not end within a sequence');
is(failure($t, frame(1, "\xe2", fin => 0) . frame(0, "\x82", fin => 0)
           . frame(0, '')), '1007 ended', 'nor may fragments');
is(failure($t, frame(1, "\xff"), path => '/native'), '1007 ended',
    'the native protocol refuses the same');

$ws = client($t);
my $text = "\x{7f}\x{80}\x{7ff}\x{800}\x{d7ff}\x{e000}\x{fffd}\x{ffff}"
    . "\x{10000}\x{10ffff}\x{0}";
$ws->send_text($text, chunk => 1);
is($ws->recv_text(), $text, 'the ends of all ranges are right');
utf8::encode(my $octets = $text);
$ws->send_fragmented(1, [ split //, $octets ]);
is($ws->recv_text(), $text, 'in fragments of one octet as well');
$ws->send_binary("\xff\xfe\x80");
is($ws->recv_data(), "\xff\xfe\x80", 'binary messages may have any octets');

###############################################################################

undef $ws;
is_deeply([ map { @$_ } @faults ], [], 'the server itself kept to the rules');

###############################################################################

# A client whose server is watched.
sub client {
    my ($t, %opt) = @_;
    my $ws = ws_connect($t, $opt{path} // '/', %opt);

    push @{$ws->{faults}}, 'no WebSocket' unless $ws->is_open();
    push @faults, $ws->{faults};
    return $ws;
}

# The close code that octets get, and whether TCP ends then; other frames are
# shown, as there must be none.
sub failure {
    my ($t, $octets, %opt) = @_;
    my $ws = client($t, path => $opt{path} // '/');

    $ws->recv_json() if $opt{path};
    $ws->send_raw($octets, %opt);

    my $frame = $ws->recv_frame() or return 'nothing';
    return "opcode $frame->{opcode}" if $frame->{opcode} != 8;

    my ($code, undef, $ended) = $ws->expect_close();
    return join ' ', $code, $ended ? 'ended' : 'still open';
}

# Lets the workers see at once what is done one by one.
sub at_once {
    my ($t, $code) = @_;
    my @workers = worker_pids($t);

    halt(@workers);
    $code->();
    kill 'CONT', @workers;
}

# Whether a worker has the server's socket to a client's port: one that was
# closed is the kernel's alone, without an inode.
sub held {
    my ($port) = @_;
    my ($local, $remote) = map { sprintf '%04X', $_ } port(8080), $port;

    open my $f, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!\n";

    return scalar grep {
        my @field = split;
        $field[1] =~ /:$local$/ && $field[2] =~ /:$remote$/ && $field[9];
    } <$f>;
}

# How many connections the hub has.
sub connections {
    my ($t) = @_;
    return (health($t))[1]{connections};
}
