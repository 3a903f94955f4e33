package Test::WebSocket::Socket;

# A socket, plain or TLS, whose reads and writes all have a deadline.

use warnings;
use strict;

use Errno qw/ EAGAIN EWOULDBLOCK EINTR /;
use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use List::Util qw/ max /;
use Scalar::Util qw/ refaddr weaken /;
use Socket qw/
    SOL_SOCKET SO_ATTACH_FILTER SO_LINGER SO_RCVBUF SO_SNDBUF IPPROTO_TCP
    SOCK_STREAM TCP_NODELAY
/;
use Time::HiRes qw/ clock_gettime CLOCK_MONOTONIC /;

my $TIMEOUT = 10;       # seconds for whatever should come at once
my $TCP_INFO = 11;      # as Linux counts the options of IPPROTO_TCP

my %open;               # every object, by its address


# An object with a connected socket, or with an error.
sub connected {
    my ($class, $to, %opt) = @_;

    my $self = bless {
        in => '',
        timeout => $opt{timeout} // $TIMEOUT,
        read_along => $opt{read_along} // 1,
        read_size => $opt{read_size} // 262144,
    }, $class;

    weaken($open{refaddr $self} = $self);

    $self->{sock} = open_socket($to, %opt);

    if (!$self->{sock}) {
        $self->{error} = "cannot connect: $@";
        return $self;
    }

    $self->start_tls(%opt) or return $self if $opt{ssl};
    $self->{sock}->blocking(0);

    return $self;
}


# A connected socket, or undef.
sub open_socket {
    my ($to, %opt) = @_;

    return IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $1)
        if $to =~ /^unix:(.*)/;

    my @sockopts = map { [ SOL_SOCKET, $_->[0], pack 'i', $_->[1] ] }
                   grep { defined $_->[1] } [ SO_SNDBUF, $opt{sndbuf} ],
                                            [ SO_RCVBUF, $opt{rcvbuf} ];

    my $port = $opt{ssl} ? 8443 : ref $to && $to->{number} || 8080;

    my $sock = IO::Socket::IP->new(
        PeerHost => $opt{peer} // '127.0.0.1',
        PeerPort => ref $to ? Test::Nginx::port($port) : $to,
        Type => SOCK_STREAM,
        Timeout => $opt{timeout} // $TIMEOUT,
        Sockopts => \@sockopts,
        $opt{source} ? (LocalHost => $opt{source}) : (),
    ) or return undef;

    $sock->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);
    return $sock;
}


# The TLS handshake.
sub start_tls {
    my ($self, %opt) = @_;

    require IO::Socket::SSL;

    local $SIG{PIPE} = 'IGNORE';        # a server may end it

    my %ssl = map { $_ => $opt{$_} } grep { /^SSL_/ } keys %opt;

    return 1 if IO::Socket::SSL->start_SSL($self->{sock}, SSL_verify_mode => 0,
                                           Timeout => $self->{timeout}, %ssl);

    $self->{error} = 'TLS: ' . IO::Socket::SSL::errstr();
    delete $self->{sock};
    return 0;
}


# When to give up.
sub deadline {
    my ($self, $timeout) = @_;
    return clock_gettime(CLOCK_MONOTONIC) + ($timeout // $self->{timeout});
}


# Waits until the socket may be read or written; false when time is up.
sub ready {
    my ($self, $end, $write, $read) = @_;
    my $set = IO::Select->new($self->{sock});
    my $left = max(0, $end - clock_gettime(CLOCK_MONOTONIC));

    return IO::Select->select($read ? $set : undef, $write ? $set : undef,
                              undef, $left);
}


# Reads what is there: true; false at the end (eof is set) or when time is up.
sub fill {
    my ($self, $end) = @_;

    local $SIG{PIPE} = 'IGNORE';        # TLS may answer what it reads

    while ($self->{sock} && !$self->{eof}) {
        my $n = $self->{sock}->sysread($self->{in}, $self->{read_size},
                                       length $self->{in});
        return 1 if $n;

        if (!defined $n) {
            next if $! == EINTR;

            if ($! == EAGAIN || $! == EWOULDBLOCK) {
                return 0 unless $self->ready($end, 0, 1);
                next;
            }

            $self->{was_reset} = 1;
            $self->{error} //= "read: $!";
        }

        $self->{eof} = 1;
    }

    $self->{eof} = 1;
    return 0;
}


# Writes octets as they are; false if the server did not take them all.
sub send_raw {
    my ($self, $bytes, %opt) = @_;
    my $end = $self->deadline($opt{timeout});
    my ($done, $all) = (0, length $bytes);

    local $SIG{PIPE} = 'IGNORE';

    while ($done < $all) {
        return 0 unless $self->{sock};

        my $n = $self->{sock}->syswrite($bytes, $opt{chunk} // $all - $done,
                                        $done);

        if (defined $n) {
            $done += $n;
            next;
        }

        next if $! == EINTR;

        if ($! != EAGAIN && $! != EWOULDBLOCK) {
            $self->{error} //= "write: $!";
            return 0;
        }

        my $read = $self->{read_along} && !$self->{eof};
        $self->ready($end, 1, $read) or return 0;
        $self->fill(0) if $read;
    }

    return 1;
}


# Ends TCP with a reset.
sub reset {
    my ($self) = @_;
    my $sock = delete $self->{sock} or return;

    $sock->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
    $self->drop($sock);
}


# Lets everything that the server sends vanish from now on, acknowledgements
# too: to the server this is a peer whose cable was cut, though it still
# hears what it is sent.
sub vanish {
    my ($self) = @_;
    my $drop = pack 'S C C L', 0x06, 0, 0, 0;       # BPF: return 0

    $self->{sock}->setsockopt(SOL_SOCKET, SO_ATTACH_FILTER,
                              pack 'S x![j] P', 1, $drop)
        or die "SO_ATTACH_FILTER: $!\n";
}


# Ends TCP without a close frame, nor one of TLS.
sub drop {
    my ($self, $sock) = @_;

    $sock //= delete $self->{sock};
    return unless $sock;

    $sock->isa('IO::Socket::SSL') ? $sock->close(SSL_no_shutdown => 1)
                                  : $sock->close();
}


# Whether the server ends TCP in time; what it still sends is kept.
sub eof {
    my ($self, $timeout) = @_;
    my $end = $self->deadline($timeout);

    1 while $self->fill($end);
    return $self->{eof} ? 1 : 0;
}


# Whether the connection was reset by the server.
sub was_reset { $_[0]{was_reset} ? 1 : 0 }


# How many octets have come that nothing has read yet.
sub pending {
    my ($self) = @_;
    1 while $self->fill(0);
    return length $self->{in};
}


# How many segments of TCP with data have come: where Nagle is off and the
# window is open, the writes of the server, of up to 64k each.
sub segments {
    my ($self) = @_;
    my $info = getsockopt $self->{sock}, IPPROTO_TCP, $TCP_INFO
        or die "TCP_INFO: $!\n";

    die "this kernel does not count segments\n" if length $info < 156;
    return unpack 'x152 L', $info;
}


# Takes the octets that have come, frames or not, waiting for the first.
sub recv_raw {
    my ($self, $timeout) = @_;
    $self->fill($self->deadline($timeout)) if $self->{in} eq '';
    return substr $self->{in}, 0, length $self->{in}, '';
}


sub DESTROY {
    my ($self) = @_;
    local ($?, $@, $!);
    $self->drop();
    delete $open{refaddr $self};
}


# A server that stops should not wait for clients that a test forgot.
sub drop_all {
    $_->drop() for grep { defined } values %open;
}


END { drop_all() }


1;
