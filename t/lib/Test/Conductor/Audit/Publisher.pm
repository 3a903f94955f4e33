package Test::Conductor::Audit::Publisher;

# A publisher of an audit: it repeats an event until that is accepted.

use warnings;
use strict;

use parent 'Test::Conductor::Audit::Source';

use Time::HiRes qw//;

my $PATIENCE = 10;      # seconds for an answer, then it asks once more


# set, id (from 1); to: a port, or the path of Redis' socket; kind: http, ws,
# redis; rate: events a second; count; channel and auth, of Redis.
sub new {
    my ($class, %opt) = @_;

    return bless { %opt, n => 1, due => 0, accepted => 0, repeated => 0,
                   next => 0, connected => 0 }, $class;
}


sub done { $_[0]{accepted} >= $_[0]{count} }


# Its time has come: to connect, to send, or to give up waiting.
sub act {
    my ($self) = @_;
    my $now = Test::Conductor::Audit::Source::now();

    if ($self->done()) {
        $self->{due} = undef;
        return;
    }

    if ($self->{asked} && $now >= $self->{asked} + $PATIENCE) {
        $self->shut();
        $self->{asked} = undef;
    }

    if (!$self->{sock}) {
        $self->{repeated}++ if $self->{asked};
        @$self{qw/ asked connected /} = (undef, $self->{kind} ne 'ws');
        $self->open($self->{to}, $self->{kind} eq 'ws'
            ? Test::Conductor::Audit::Source::handshake(
                "$self->{path}?user=p$self->{id}&role=system") : '');
        return if !$self->{sock};
    }

    if (!$self->{connected} || $self->{asked}) {
        $self->{due} = $now + 1;
        return;
    }

    $self->{asked} = $now;
    $self->{due} = $now + $PATIENCE;
    $self->{next} = $now + 1 / $self->{rate};
    $self->say($self->request());
}


# What it sends for its next event.
sub request {
    my ($self) = @_;
    my $event = qq({"type":"e","at":"$self->{id}.$self->{n}"});
    my $key = "$self->{set}{key}-$self->{id}-$self->{n}";

    return "POST $self->{path} HTTP/1.1\r\nHost: localhost\r\n"
           . "Content-Type: application/json\r\nIdempotency-Key: $key\r\n"
           . 'Content-Length: ' . length($event) . "\r\n\r\n$event"
        if $self->{kind} eq 'http';

    return Test::Conductor::Audit::Source::masked(1,
        qq({"type":"publish","id":"$key","key":"$key","event":$event}))
        if $self->{kind} eq 'ws';

    return "*3\r\n\$7\r\nPUBLISH\r\n\$" . length($self->{channel})
           . "\r\n$self->{channel}\r\n\$" . length($event) . "\r\n$event\r\n";
}


# An answer: the next event, or this one again.
sub answered {
    my ($self, $accepted, $text) = @_;
    my $now = Test::Conductor::Audit::Source::now();
    my $took = $now - ($self->{asked} // $now);

    $self->{asked} = undef;
    $self->{slowest} = $took if $took > ($self->{slowest} // 0);

    if ($accepted) {
        $self->{accepted} = $self->{n}++;
        $self->{due} = $self->{next};
        return;
    }

    $self->{repeated}++;
    $self->{set}{refusals}{$text =~ s/\d+/N/gr}++;
    $self->{due} = $now + 0.1;
}


sub ended {
    my ($self) = @_;

    $self->{repeated}++ if $self->{asked};
    $self->{asked} = undef;
    $self->{due} = Test::Conductor::Audit::Source::now() + 0.1;
}


sub read {
    my ($self) = @_;
    my $kind = "read_$self->{kind}";

    $self->$kind();
}


sub read_http {
    my ($self) = @_;

    for ( ;; ) {
        $self->{head} //= $self->head() // return;

        my ($len) = $self->{head} =~ /^Content-Length: (\d+)/mi;
        return $self->lost() if !defined $len;
        return if length $self->{in} < $len;

        my $body = substr $self->{in}, 0, $len, '';
        my $head = delete $self->{head};

        $self->answered($head =~ m!^HTTP/1.1 200 !, "http $head" =~ /(.*)/);
        return $self->lost() if $head =~ /^Connection: close/mi;
    }
}


sub read_ws {
    my ($self) = @_;

    if (!$self->{connected}) {
        my $head = $self->head() // return;
        return $self->lost() if $head !~ m!^HTTP/1.1 101 !;
        @$self{qw/ connected due /} = (1, 0);
    }

    while (my ($opcode, $payload) = $self->frame()) {
        return $self->lost() if $opcode == 8;
        $self->say(Test::Conductor::Audit::Source::masked(10, $payload))
            if $opcode == 9;

        next if $payload !~ /"type":"(ack|error)"/;
        my $ack = $1 eq 'ack';
        next if $payload !~ /"id":"$self->{set}{key}-$self->{id}-$self->{n}"/;

        $self->answered($ack, "ws $payload" =~ /("code":"\w+")/ ? "ws $1"
                                                               : 'ws');
    }
}


sub read_redis {
    my ($self) = @_;

    while ($self->{in} =~ s/^([:+-])(.*)\r\n//) {
        $self->answered($1 eq ':', "redis $2");
    }
}


1;
