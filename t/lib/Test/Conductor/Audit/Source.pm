package Test::Conductor::Audit::Source;

# A connection of an audit: it never waits.

use warnings;
use strict;

use Errno qw/ EAGAIN EWOULDBLOCK EINTR EINPROGRESS /;
use IO::Poll qw/ POLLIN POLLOUT /;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw/ IPPROTO_TCP TCP_NODELAY SOCK_STREAM inet_aton
               pack_sockaddr_in PF_INET /;
use Time::HiRes qw/ clock_gettime CLOCK_MONOTONIC /;


sub now { return clock_gettime(CLOCK_MONOTONIC) }


# Begins to connect to a port of this machine, or to a Unix socket, and to
# write; when that was not possible it is tried again later.
sub open {
    my ($self, $to, $text) = @_;

    $self->shut();
    $self->{in} = '';
    $self->{out} = $text;

    my $sock = $to =~ m!^/! ? IO::Socket::UNIX->new(Peer => $to)
                            : IO::Socket::INET->new(Proto => 'tcp');

    if ($sock && $to !~ m!^/!) {
        $sock->blocking(0);
        $sock->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);

        my $at = pack_sockaddr_in($to, inet_aton('127.0.0.1'));
        undef $sock if !CORE::connect($sock, $at) && $! != EINPROGRESS;
    }

    return $self->ended() if !$sock;

    $sock->blocking(0);
    @$self{qw/ sock fd events /} = ($sock, fileno $sock, POLLIN | POLLOUT);
    $self->{set}->watch($self);
}


# Forgets the connection.
sub shut {
    my ($self) = @_;

    $self->{set}->unwatch($self) if $self->{sock};
    delete @$self{qw/ sock fd /};
}


# Writes this as soon as that can be.
sub say {
    my ($self, $text) = @_;

    $self->{out} .= $text;
    $self->write() if $self->{sock};
}


sub write {
    my ($self) = @_;
    local $SIG{PIPE} = 'IGNORE';

    if (length $self->{out}) {
        my $n = syswrite $self->{sock}, $self->{out};

        if (!defined $n) {
            return if $! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR;
            return $self->lost();
        }

        substr $self->{out}, 0, $n, '';
    }

    $self->{events} = length $self->{out} ? POLLIN | POLLOUT : POLLIN;
    $self->{set}->watch($self);
}


# It may be read, or written.
sub ready {
    my ($self, $events) = @_;

    $self->write() if $events & POLLOUT;
    return if !$self->{sock} || !($events & ~POLLOUT);

    my $n = sysread $self->{sock}, $self->{in}, 262144, length $self->{in};

    if (!$n) {
        return if !defined $n
                  && ($! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR);
        return $self->lost();
    }

    $self->read();
}


# The connection is gone.
sub lost {
    my ($self) = @_;

    $self->shut();
    $self->ended();
}


# The next whole frame that came: (opcode, payload), or nothing.
sub frame {
    my ($self) = @_;
    my $have = length $self->{in};

    return if $have < 2;

    my ($first, $len) = unpack 'CC', $self->{in};
    my $at = 2;

    if ($len == 126) {
        return if $have < 4;
        ($len, $at) = (unpack('x2n', $self->{in}), 4);

    } elsif ($len == 127) {
        return if $have < 10;
        ($len, $at) = (unpack('x2Q>', $self->{in}), 10);
    }

    return if $have < $at + $len;

    my $payload = substr $self->{in}, $at, $len;
    substr $self->{in}, 0, $at + $len, '';

    return ($first & 15, $payload);
}


# A frame of a client, masked by zeros.
sub masked {
    my ($opcode, $payload) = @_;
    my $len = length $payload;

    return pack('CC', 128 | $opcode, $len < 126 ? 128 | $len : 254)
           . ($len < 126 ? '' : pack 'n', $len) . "\0\0\0\0$payload";
}


# What asks for a WebSocket.
sub handshake {
    my ($path) = @_;

    return "GET $path HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
           . "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
           . "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
}


# Takes the head of an HTTP answer off what came: its text, or undef.
sub head {
    my ($self) = @_;
    my $end = index $self->{in}, "\r\n\r\n";

    return $end < 0 ? undef : substr $self->{in}, 0, $end + 4, '';
}


1;
