package Test::Conductor::Audit::Client;

# A client of an audit: it comes back, here or elsewhere, and says what it had.

use warnings;
use strict;

use parent 'Test::Conductor::Audit::Source';


# set, id; home: which server; roams: it comes back to the next server.
sub new {
    my ($class, %opt) = @_;

    return bless { %opt, at => $opt{home}, due => 0, since => undef,
                   got => '', ids => {}, resumed => 0, open => 0 }, $class;
}


# Its time has come.
sub act {
    my ($self) = @_;

    return if $self->{sock};

    my $set = $self->{set};
    my $path = $set->{path};

    $path .= ($path =~ /\?/ ? '&' : '?') . "since=$self->{since}"
        if defined $self->{since};

    @$self{qw/ due head open /} = (undef, undef, 0);
    $self->open($set->{ports}[$self->{at}],
                Test::Conductor::Audit::Source::handshake($path));
}


# Its connection ended: it comes again soon.
sub ended {
    my ($self) = @_;

    $self->{set}{cuts}++ if $self->{open};
    $self->{set}{refused}++ if !$self->{open} && $self->{head};
    $self->{open} = 0;
    $self->{due} = Test::Conductor::Audit::Source::now() + 0.05 + rand 0.25;
    $self->{at} = ($self->{at} + 1) % @{$self->{set}{ports}}
        if $self->{roams};
}


sub read {
    my ($self) = @_;

    if (!$self->{head}) {
        $self->{head} = $self->head() // return;
        return $self->lost() if $self->{head} !~ m!^HTTP/1.1 101 !;
    }

    while (my ($opcode, $payload) = $self->frame()) {
        if ($opcode == 1) {
            $self->message($payload);

        } elsif ($opcode == 9) {
            $self->say(Test::Conductor::Audit::Source::masked(10, $payload));

        } elsif ($opcode == 8) {
            $self->{set}{closes}{unpack 'n', $payload}++;
            return $self->lost();
        }
    }
}


# An event is "at":"publisher.number"; the rest is about coming back.
sub message {
    my ($self, $text) = @_;

    if ($text =~ /"at":"(\d+)\.(\d+)"/) {
        my $event = $1 << 24 | $2;
        my ($id) = $text =~ /"eventId":"([^"]+)"/;

        $self->{got} .= pack 'N', $event;
        $self->{since} = $id //= 'none';
        $self->{set}->identified($event, $id);
        $self->{set}{twice}{$id} = 1 if $self->{ids}{$id}++;
        return;
    }

    if ($text =~ /"type":"welcome"/) {
        ($self->{since}) = $text =~ /"lastEventId":"([^"]+)"/
            if !defined $self->{since};
        $self->{open} = 1;
        return;
    }

    if ($text =~ /"type":"resumed"/) {
        ($self->{since}) = $text =~ /"lastEventId":"([^"]+)"/;

        if ($text =~ /"recovered":true/) {
            $self->{set}{resumed}++;

        } else {
            my ($reason) = $text =~ /"reason":"(\w+)"/;
            $self->{set}{told}{$reason // 'none'}++;
            push @{$self->{gaps}}, length($self->{got}) / 4;
        }
    }
}


1;
