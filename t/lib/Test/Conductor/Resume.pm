package Test::Conductor::Resume;

# Clients that come and go, and get everything once and in order all the same.

use strict;
use warnings;

use Exporter qw/ import /;

use Test::Conductor;
use Test::Nginx;

our @EXPORT = qw/ client follow reference publisher /;


# A client: where it is, and what it got.
sub client {
    my ($since, $how) = @_;
    return { since => $since, how => $how, got => [], wrong => 0 };
}


# It comes back, reads up to so many events, of so many in all, and is gone;
# false if it could not come back.
sub follow {
    my ($c, $max, $all) = @_;
    my $ws;

    if ($c->{how} eq 'hold') {
        $ws = ws_connect(Test::Nginx::port(8080), '/?hold=1');
        $ws->send_json({ type => 'resume', since => $c->{since},
            subscriptions => [ { channel => 'd' },
                               { channel => 'c', filter => {} } ] })
            if $ws->is_open();

    } else {
        $ws = ws_connect(Test::Nginx::port(8080), "/?since=$c->{since}");
    }

    return 0 if !$ws->is_open();

    while ($max > 0) {
        my $m = $ws->recv_json() // return 0;

        if ($m->{type} eq 'resumed') {
            $c->{wrong}++ if !$m->{recovered};
            $c->{since} = $m->{lastEventId};

        } elsif (defined $m->{eventId}) {
            push @{$c->{got}}, $m->{eventId};
            $c->{since} = $m->{eventId};
            $max--;
        }

        last if @{$c->{got}} == $all;
    }

    $ws->vanish();

    return 1;
}


# All events that there were, as one client gets them afterwards.
sub reference {
    my ($zero) = @_;
    my $ws = ws_connect(Test::Nginx::port(8080), "/?since=$zero");
    my @ids;

    while (my $m = $ws->recv_json()) {
        push @ids, $m->{eventId} if defined $m->{eventId};
        return @ids if $m->{type} eq 'resumed';
    }

    return;
}


# Publishes events, one or a few at a time; at the end it is gone.
sub publisher {
    my ($t, $name, $count) = @_;
    my $n = 0;

    while ($n < $count) {
        my $batch = $n % 7 ? 1 : 3;
        my ($status) = eval { publish($t, [ map {
            { type => $_ % 2 ? 'e' : 'f', from => $name, n => $n + $_ }
        } 1 .. $batch ], key => "$name-$n") };

        if (($status // 0) == 200) {
            $n += $batch;

        } else {
            select undef, undef, undef, 0.02;
        }
    }
}


1;
