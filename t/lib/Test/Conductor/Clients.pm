package Test::Conductor::Clients;

# Many WebSocket clients read by one loop, and what each of them got.

use warnings;
use strict;

use IO::Poll qw/ POLLIN POLLHUP POLLERR /;
use JSON::PP qw//;
use Time::HiRes qw/ clock_gettime CLOCK_MONOTONIC /;

use Test::WebSocket;

my $json = JSON::PP->new->utf8->allow_nonref;


# new($t, $n, %opt): opens N clients, all handshakes under way at once.
#
# Options are those of ws_connect() and "path" ('/'), "per_address" (N clients
# share a source address in 127.1.0.0/16).  One that is a function is called
# with the client's number and gives its value.
sub new {
    my ($class, $t, $n, %opt) = @_;
    my ($path, $share) = (delete $opt{path} // '/', delete $opt{per_address});

    my $self = bless { poll => IO::Poll->new(), by_fd => {}, decoded => {} },
                     $class;

    $opt{source} //= sub {
        my $k = int($_[0] / $share);
        return sprintf '127.1.%d.%d', int($k / 250), 1 + $k % 250;
    } if $share;

    for my $i (0 .. $n - 1) {
        my %own = map { $_ => ref $opt{$_} eq 'CODE' ? $opt{$_}->($i)
                                                     : $opt{$_} } keys %opt;
        my $at = ref $path ? $path->($i) : $path;

        push @{$self->{clients}}, ws_connect($t, $at, %own, wait => 0);
        push @{$self->{got}}, [];
    }

    for my $i (0 .. $n - 1) {
        my $ws = $self->{clients}[$i];

        next unless !$ws->error() && $ws->handshake();

        $self->{by_fd}{fileno $ws->sock()} = $i;
        $self->{poll}->mask($ws->sock(), POLLIN);
        push @{$self->{got}[$i]}, $ws->take();
    }

    return $self;
}


# The clients, in order.
sub clients { @{$_[0]{clients}} }


# How many are connected.
sub open_count { scalar keys %{$_[0]{by_fd}} }


# Reads whatever comes until a condition is true; its value, or 0.
sub run_until {
    my ($self, $condition, $timeout) = @_;
    my $end = clock_gettime(CLOCK_MONOTONIC) + ($timeout // 20);

    for ( ;; ) {
        my $true = $condition->($self);
        return $true if $true;

        my $left = $end - clock_gettime(CLOCK_MONOTONIC);
        return 0 if $left <= 0;

        # a condition may be about more than what comes here

        $self->read_once($left < 0.1 ? $left : 0.1);
    }
}


# One turn of the loop.
sub read_once {
    my ($self, $timeout) = @_;
    my $poll = $self->{poll};

    if (!$self->open_count()) {
        select undef, undef, undef, $timeout;
        return;
    }

    return if $poll->poll($timeout) <= 0;

    for my $sock ($poll->handles(POLLIN | POLLHUP | POLLERR)) {
        my $fd = fileno $sock;
        my $i = $self->{by_fd}{$fd};
        my $ws = $self->{clients}[$i];

        # what the look for an end reads is taken with the rest

        my $eof = $ws->eof(0);
        push @{$self->{got}[$i]}, $ws->take();

        if ($eof) {
            $poll->remove($sock);
            delete $self->{by_fd}{$fd};
        }
    }
}


# What client I got: octets of each message, in order.
sub got { @{$_[0]{got}[$_[1]]} }


# What client I got, decoded from JSON; of one type, if that is given.
sub messages {
    my ($self, $i, $type) = @_;

    my @all = map { $self->{decoded}{$_} //= $json->decode($_) }
              $self->got($i);

    return defined $type ? grep { ($_->{type} // '') eq $type } @all : @all;
}


# Reads until every client has N messages (of a type); whether that came true.
sub wait_each {
    my ($self, $n, $type, $timeout) = @_;
    my @all = 0 .. $#{$self->{clients}};

    return $self->run_until(sub {
        @all = grep { ($type ? $self->messages($_, $type)
                             : $self->got($_)) < $n } @all;
        return !@all;
    }, $timeout);
}


# Forgets what came so far.
sub forget {
    my ($self) = @_;
    @$_ = () for @{$self->{got}};
    $self->{decoded} = {};
}


# Closes them all with a code and reads on until the server has ended TCP.
sub close {
    my ($self, $code, $timeout) = @_;
    my @open = map { $self->{clients}[$_] } values %{$self->{by_fd}};

    $_->send_frame(8, pack 'n', $code // 1000) for @open;

    return $self->run_until(sub { !$self->open_count() }, $timeout);
}


1;
