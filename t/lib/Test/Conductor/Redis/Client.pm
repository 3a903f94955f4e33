package Test::Conductor::Redis::Client;

# A connection to Redis: commands, and whatever is published to it.

use warnings;
use strict;

use IO::Select;
use IO::Socket::IP;
use IO::Socket::UNIX;
use List::Util qw/ max /;
use Socket qw/ SOCK_STREAM /;
use Time::HiRes qw/ clock_gettime CLOCK_MONOTONIC /;


# A connection to "/path" or "address:port", for all calls within so many
# seconds each; undef if there is none.
sub new {
    my ($class, $to, %opt) = @_;

    my $sock = $to =~ m!^/!
        ? IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $to)
        : IO::Socket::IP->new(PeerAddr => $to, Timeout => 5);

    return undef if !$sock;

    my $self = bless {
        sock => $sock, in => '', timeout => $opt{timeout} // 10,
    }, $class;

    $self->do('AUTH', @{$opt{auth}}) if $opt{auth};
    return $self;
}


# A command's answer: text, a number, undef, or a list of those; dies of an
# error, and if none comes in time.
sub do {
    my ($self, @command) = @_;

    $self->send(@command);
    my $answer = $self->next() // die "no answer from redis: $command[0]\n";

    die "redis: $$answer\n" if ref $answer eq 'SCALAR';
    return $answer->[0];
}


# Writes a command, and waits for nothing.
sub send {
    my ($self, @command) = @_;
    local $SIG{PIPE} = 'IGNORE';

    my $text = '*' . @command . "\r\n"
               . join '', map { '$' . length($_) . "\r\n$_\r\n" } @command;

    $self->{sock}->syswrite($text) // die "cannot write to redis: $!\n";
    return $self;
}


# The next reply, in a list of one; an error as a reference to its text; undef
# when time is up, or at the end of the connection.
sub next {
    my ($self, $timeout) = @_;
    my $end = clock_gettime(CLOCK_MONOTONIC) + ($timeout // $self->{timeout});

    for ( ;; ) {
        my $at = 0;
        my $reply = $self->parse(\$at);

        if ($reply) {
            substr $self->{in}, 0, $at, '';
            return $reply;
        }

        my $left = max(0, $end - clock_gettime(CLOCK_MONOTONIC));

        IO::Select->new($self->{sock})->can_read($left) or return undef;
        $self->{sock}->sysread($self->{in}, 65536, length $self->{in})
            or return undef;
    }
}


# Whether Redis has ended the connection, where nothing else is expected.
sub ended {
    my ($self) = @_;
    return $self->{in} eq '' && IO::Select->new($self->{sock})->can_read(0);
}


# A whole reply from a place in what came, or undef.
sub parse {
    my ($self, $at) = @_;

    pos($self->{in}) = $$at;
    $self->{in} =~ /\G([-+:\$*])([^\r]*)\r\n/gc or return undef;

    my ($kind, $text) = ($1, $2);
    $$at = pos $self->{in};

    return \$text if $kind eq '-';
    return [ $text ] if $kind =~ /[+:]/;
    return [ undef ] if $text < 0;

    if ($kind eq '$') {
        return undef if length($self->{in}) < $$at + $text + 2;
        my $value = substr $self->{in}, $$at, $text;
        $$at += $text + 2;
        return [ $value ];
    }

    my @list;

    for (1 .. $text) {
        my $item = $self->parse($at) // return undef;
        push @list, ref $item eq 'SCALAR' ? $item : $item->[0];
    }

    return [ \@list ];
}


# Subscribes to channels, and says so once Redis has.
sub subscribe {
    my ($self, @channels) = @_;

    $self->send('SUBSCRIBE', @channels);
    $self->next() // die "cannot subscribe\n" for @channels;
    return $self;
}


# The next message that is published: (text, channel), or nothing.
sub message {
    my ($self, $timeout) = @_;
    my $reply = $self->next($timeout) // return;

    return @{$reply->[0]}[2, 1];
}


1;
