#!/usr/bin/perl

# Tests of the test library's WebSocket client, on an echo peer behind nginx.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::WebSocket::Frame qw/ parse_frame /;

use Digest::SHA qw/ sha1_base64 /;
use IO::Socket::INET;
use Socket qw/ SOL_SOCKET SO_LINGER /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/ http http_ssl proxy socket_ssl /)
    ->has_daemon('openssl')->plan(61);

$t->write_file_expand('nginx.conf', conductor_conf(<<'CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    map $http_upgrade $connection_upgrade {
        default  Upgrade;
        ''       close;
    }

    server {
        listen  127.0.0.1:8080;
        listen  127.0.0.1:8443 ssl;
        listen  unix:%%TESTDIR%%/unix.sock;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location / {
            proxy_pass          http://127.0.0.1:8081;
            proxy_http_version  1.1;
            proxy_set_header    Host $host;
            proxy_set_header    Upgrade $http_upgrade;
            proxy_set_header    Connection $connection_upgrade;
            proxy_set_header    X-Source $remote_addr;
        }

        location /refuse {
            add_header Retry-After 7 always;
            return 429 '{"code":"rate_limited"}';
        }
    }
}

CONF

my $dir = $t->testdir();

openssl_cert();

$t->run_daemon(\&peer, port(8081));
$t->run()->waitforsocket('127.0.0.1:' . port(8081)) or die "no peer\n";

###############################################################################

# frames, against the examples of the RFCs

is(hex_of(frame(1, 'Hello', key => "\x37\xfa\x21\x3d")),
    '818537fa213d7f9f4d5158', 'RFC 6455, 5.7: a masked text message');
is(hex_of(frame(1, 'Hello', mask => 0)), '810548656c6c6f',
    'an unmasked text message');
is(hex_of(frame(1, 'Hel', mask => 0, fin => 0) . frame(0, 'lo', mask => 0)),
    '010348656c80026c6f', 'a fragmented message');
is(hex_of(substr frame(2, 'x' x 256, mask => 0), 0, 4), '827e0100',
    'a length of 16 bits');
is(hex_of(substr frame(2, 'x' x 65536, mask => 0), 0, 10),
    '827f0000000000010000', 'a length of 64 bits');
is(hex_of(frame(1, 'a', mask => 0, len_form => 64)),
    '817f000000000000000161', 'a length that is not in its shortest form');
is(hex_of(frame(1, '', mask => 0, len => 2 ** 63)), '817f8000000000000000',
    'a length that is a lie');
is(hex_of(frame(9, '', mask => 0, rsv => 7)), 'f900', 'reserved bits');

my $bytes = frame(1, 'abc') . frame(2, 'd' x 70000);
my ($in, @got) = ('');

for my $byte (split //, $bytes) {
    $in .= $byte;
    my $frame = parse_frame(\$in);
    push @got, $frame->{payload} if $frame;
}

is_deeply(\@got, [ 'abc', 'd' x 70000 ], 'frames are read octet by octet');

my $deflate = Test::WebSocket::Frame->deflate('permessage-deflate');
is(hex_of($deflate->compress('Hello')), 'f248cdc9c90700',
    'RFC 7692, 7.2.3.1: a compressed message');
is(hex_of($deflate->compress('Hello')), 'f200110000',
    '7.2.3.2: one that shares its window');
is($deflate->inflate("\xf2\x48\xcd\xc9\xc9\x07\x00"), 'Hello', 'inflates');
is($deflate->inflate("\xf2\x00\x11\x00\x00"), 'Hello', 'so does the second');
is($deflate->inflate("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), 'Hello',
    '7.2.3.4: a block with BFINAL');
$deflate = Test::WebSocket::Frame->deflate(
    'permessage-deflate; server_no_context_takeover');
$deflate->inflate("\xf2\x48\xcd\xc9\xc9\x07\x00");
is($deflate->inflate("\xf2\x00\x11\x00\x00"), undef,
    'a window that was given up is not used');

###############################################################################

# the client

my $ws = ws_connect($t, '/echo', protocols => [ 'a', 'b' ],
    origin => 'http://o', headers => [ 'X-Test: 1' ]);
ok($ws->is_open(), 'a WebSocket opens');
is($ws->status(), 101, 'with its status');
like($ws->header('X-Request'), qr/Origin: http:..o.*X-Test: 1/i,
    'and the headers that were asked for');
is($ws->header('sec-websocket-protocol'), 'a', 'and those of the answer');

$ws->send_text("gr\x{fc}n \x{20ac}");
is($ws->recv_text(), "gr\x{fc}n \x{20ac}", 'text is characters');
$ws->send_binary("\0\xff" x 40000);
is($ws->recv_message()->{data}, "\0\xff" x 40000, 'binary is octets');
$ws->send_json({ type => 'a', n => 1 });
is_deeply($ws->recv_json(), { type => 'a', n => 1 }, 'JSON is decoded');

$ws->send_json({ type => $_ }) for qw/ x y z /;
is_deeply($ws->recv_until('z'), { type => 'z' }, 'a message is waited for');
is_deeply($ws->skipped(), [ { type => 'x' }, { type => 'y' } ],
    'those before it are kept');
is_deeply($ws->command({ type => 'q' }), { type => 'q', id => 'c1' },
    'a command finds its answer');

$ws->send_fragmented(1, [ 'a', 'b', 'c' ], between => frame(9, 'mid'));
my $message = $ws->recv_message();
is("$message->{data} $message->{frames}", 'abc 3', 'fragments are assembled');
is_deeply($ws->pongs(), [ 'mid', 'mid' ], 'a ping between them is answered');

$ws->send_frame(1, 'slowly', chunk => 1);
is($ws->recv_text(), 'slowly', 'a frame can be written octet by octet');
$ws->send_text('before');
is_deeply($ws->sync(), [ 'before' ], 'what comes before a pong is collected');
is_deeply([ $ws->close(1001, 'bye') ], [ 1001, 'bye', 1 ],
    'a close is answered');
is_deeply([ $ws->faults() ], [], 'the server did nothing wrong');

$ws = ws_connect($t, '/echo', body => frame(1, 'early'));
is($ws->recv_text(), 'early', 'frames can come with the handshake');
$ws->send_binary('x' x 4_000_000);
is(length $ws->recv_data(), 4_000_000, 'a message can be large');
is(scalar $ws->recv_message(0.05), undef, 'waiting has an end');
is($ws->eof(0.05), 0, 'a connection that stays is told from one that ends');
$ws->send_text('there');
ok(wait_for(sub { $ws->pending() }), 'octets that nobody read are counted');
is(hex_of($ws->recv_raw()), hex_of(frame(1, 'there', mask => 0)),
    'and can be had as they are');

$ws = ws_connect($t, '/refuse');
is($ws->status() . ' ' . $ws->header('Retry-After'), '429 7',
    'a refusal is read');
is($ws->body_json()->{code}, 'rate_limited', 'with its body');
ok(!$ws->is_open(), 'and is no WebSocket');

$ws = ws_connect($t, '/echo', version => 7, key => undef, method => 'POST',
    http_version => '1.0');
is($ws->status(), 400, 'a handshake can be wrong in all its parts');
like($ws->body(), qr!^POST /echo HTTP/1\.1!, 'as was asked for');

$ws = ws_connect($t, '', raw_request => "GET /refuse HTTP/1.1\x0d\x0a"
    . "Host: a\x0d\x0aTransfer-Encoding: chunked\x0d\x0a\x0d\x0a", chunk => 5);
is($ws->status(), 429, 'a request can be given as octets');

$ws = ws_connect($t, '/echo', ssl => 1, body => frame(1, 'tls'));
is($ws->recv_text(), 'tls', 'a WebSocket opens over TLS');
$ws->send_binary('y' x 1_000_000);
is(length $ws->recv_data(), 1_000_000, 'with large messages');

$ws = ws_connect("unix:$dir/unix.sock", '/echo', body => frame(1, 'unix'));
is($ws->recv_text(), 'unix', 'and over a Unix socket');

$ws = ws_connect($t, '/echo', source => '127.0.0.9', rcvbuf => 4096,
    sndbuf => 4096);
like($ws->header('X-Request'), qr/X-Source: 127\.0\.0\.9/i,
    'and from another address, with small buffers');

like(ws_connect(port(8082), '/')->error(), qr/cannot connect/,
    'nobody there is an error');

$ws = ws_connect($t, '/deflate', extensions => 'permessage-deflate');
$ws->send_text('Hello') for 1 .. 2;
$ws->send_fragmented(1, [ 'Hel', 'lo' ]);
$ws->send_text('Hello', compress => 0);
is_deeply([ map { my $m = $ws->recv_message(); "$m->{data} $m->{compressed}" }
            1 .. 4 ], [ 'Hello 1', 'Hello 1', 'Hello 1', 'Hello 0' ],
    'messages are compressed and inflated');

is_deeply([ ws_connect($t, '/close')->expect_close() ], [ 4401, 'over', 1 ],
    'a close of the server is read');
is_deeply([ ws_connect($t, '/end')->expect_close() ], [ 1006, '', 1 ],
    'so is an end without one');
is_deeply([ ws_connect($t, '/echo')->expect_close(0.05) ], [],
    'and none at all');

$ws = ws_connect($t, '/ping');
is_deeply([ $ws->recv_text(), $ws->pings() ], [ 'p1', [ 'p1' ] ],
    'a ping of the server is answered');

$ws = ws_connect($t, '/wrong');
1 while $ws->recv_frame();
is_deeply([ $ws->faults() ], [
    'masked', 'reserved bits', 'unknown opcode', 'continuation of nothing',
    'length not in its shortest form', 'long or fragmented control frame',
], 'what a server does wrong is noted');

$ws = ws_connect(port(8081), '/rst');
ok($ws->eof() && $ws->was_reset(), 'a reset by the server is told from an end');

$ws = ws_connect(port(8081), '/watch');
$ws->reset();
ok(wait_for(sub { -e "$dir/was_reset" }), 'the client can reset, too');

###############################################################################

# many of them

my $many = many_clients($t, 30, path => sub { "/echo?i=$_[0]" },
    per_address => 10, body => sub { frame(1, qq({"type":"n","i":$_[0]})) });
is($many->open_count(), 30, 'many clients connect');
ok($many->wait_each(1, 'n'), 'and each gets its message');
is_deeply([ map { $_->{i} } map { $many->messages($_, 'n') } 0 .. 29 ],
    [ 0 .. 29 ], 'its own');
ok($many->close() && $many->open_count() == 0, 'and all are closed');

put('child.pl', 'our $ws; END { print $ws->sock() ? "open" : "dropped" } '
    . 'use Test::WebSocket; $ws = ws_connect(' . port(8081) . ', "/echo"); '
    . 'print $ws->status(), " ";');
is(scalar `$^X -Ilib $dir/child.pl`, '101 dropped',
    'a client that a test forgot is dropped before nginx is stopped');

###############################################################################

# A peer behind nginx: what it does depends on the path.
sub peer {
    my ($port) = @_;

    local $SIG{CHLD} = 'IGNORE';
    my $server = IO::Socket::INET->new(Listen => 64, Reuse => 1,
        LocalAddr => '127.0.0.1', LocalPort => $port) or die "listen: $!\n";

    while (1) {
        my $s = $server->accept() or next;
        next if fork();
        eval { peer_connection($s) };
        POSIX::_exit(0);
    }
}

# One connection of the peer.
sub peer_connection {
    my ($s) = @_;
    my $request = '';

    while (defined(my $line = <$s>)) {
        $request .= $line;
        last if $line eq "\x0d\x0a";
    }

    return if $request eq '';

    my ($path) = $request =~ m!^\S+ (/\w*)!;
    my ($key) = $request =~ /^Sec-WebSocket-Key: (\S+)/mi;

    if (!$key) {
        print $s "HTTP/1.1 400 X\x0d\x0aConnection: close\x0d\x0a\x0d\x0a",
            $request;
        return;
    }

    (my $shown = $request) =~ s/\x0d\x0a/ | /g;
    print $s "HTTP/1.1 101 Switching Protocols\x0d\x0a",
        "Upgrade: websocket\x0d\x0aConnection: Upgrade\x0d\x0a",
        "X-Request: $shown\x0d\x0a",
        'Sec-WebSocket-Accept: ',
        sha1_base64($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'), "=\x0d\x0a",
        $request =~ /^Sec-WebSocket-Protocol/mi
            ? "Sec-WebSocket-Protocol: a\x0d\x0a" : (),
        $path eq '/deflate'
            ? "Sec-WebSocket-Extensions: permessage-deflate\x0d\x0a" : (),
        "\x0d\x0a";

    return if $path eq '/end';
    print $s "\x88\x06\x11\x31over" if $path eq '/close';
    print $s "\x89\x02p1" if $path eq '/ping';

    if ($path eq '/wrong') {
        print $s "\x81\x80abcd", "\xe2\x00", "\x83\x00", "\x80\x00",
            "\x81\x7e\x00\x01a", "\x09\x00";
        return;
    }

    if ($path eq '/rst') {
        setsockopt $s, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
        return;
    }

    peer_echo($s, $path);
}

# Sends back what comes, frame by frame, until a close or the end.
sub peer_echo {
    my ($s, $path) = @_;

    while (1) {
        my $n = read $s, my $head, 2;

        if (!$n) {
            put('was_reset', $!) if !defined $n;
            return;
        }

        my ($first, $len) = unpack 'CC', $head;
        $len &= 0x7f;

        if ($len > 125) {
            read $s, my($more), $len == 126 ? 2 : 8;
            $len = unpack $len == 126 ? 'n' : 'Q>', $more;
        }

        read $s, my $mask, 4;
        my $data = '';
        read $s, $data, $len if $len;
        $data ^= substr $mask x ($len / 4 + 1), 0, $len;

        return if $path eq '/close';
        $first = 0x81 if $path eq '/ping' && $first == 0x8a;
        $first = 0x8a if $first == 0x89;

        my $size = $len < 126 ? pack('C', $len)
                 : $len < 65536 ? pack('Cn', 126, $len)
                 : pack('CQ>', 127, $len);

        print $s pack('C', $first), $size, $data;
        return if $first == 0x88;
    }
}

# A file of the test; $t in a function would outlive the tests.
sub put {
    my ($name, $content) = @_;

    open my $f, '>:raw', "$dir/$name" or die "cannot create $name: $!\n";
    print $f $content;
}

# A certificate for TLS.
sub openssl_cert {
    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
           . "-nodes -subj /CN=localhost -days 2 -keyout $dir/key.pem "
           . "-out $dir/cert.pem >/dev/null 2>&1") == 0
        or die "openssl failed\n";
}

# Octets for people.
sub hex_of {
    return unpack 'H*', $_[0];
}
