package Test::Conductor::Audit;

# Clients and publishers on several servers, and whether every client got
# every event once, and in which order.

# The hub has a channel for clients by default, and an event "e" in it that
# the role "system" may publish.  Nothing here waits but for what comes.

use warnings;
use strict;

use IO::Poll qw//;

use Test::Conductor::Audit::Client;
use Test::Conductor::Audit::Publisher;
use Test::Conductor::Audit::Source;
use Test::Nginx qw//;


# new(\@servers, %opt): so many clients come to each server.
#
#     clients => 100        of each server
#     roams   => 1          who was cut off comes back to the next server
#     path    => '/'        of clients
sub new {
    my ($class, $servers, %opt) = @_;

    my $self = bless {
        ports => [ map { Test::Nginx::port($_->{number} // 8080) } @$servers ],
        path => $opt{path} // '/?user=watch&role=none',
        key => sprintf('%x-%x', $$, int rand 2 ** 32),
        sources => {}, poll => [], events => {},
        clients => [], publishers => [], id_of => {}, event_of => {},
        cuts => 0, resumed => 0, told => {}, closes => {}, refusals => {},
        twice => {},
    }, $class;

    for my $home (0 .. $#$servers) {
        push @{$self->{clients}}, map {
            Test::Conductor::Audit::Client->new(set => $self, home => $home,
                                                roams => $opt{roams})
        } 1 .. $opt{clients} // 100;
    }

    return $self;
}


# Adds a publisher that sends "count" events at "rate" a second, of the kind
#
#     http    to the server with the number "server" (from 0), to /publish
#     ws      the same as a command, connected to the path "/"
#     redis   PUBLISH to "redis", on its "channel"
sub publisher {
    my ($self, $kind, %opt) = @_;

    push @{$self->{publishers}}, Test::Conductor::Audit::Publisher->new(
        set => $self, id => 1 + @{$self->{publishers}}, kind => $kind,
        to => $opt{redis} ? $opt{redis}->path()
                          : $self->{ports}[$opt{server} // 0],
        path => $opt{path} // ($kind eq 'http' ? '/publish' : '/'),
        rate => $opt{rate} // 100, count => $opt{count} // 100,
        channel => $opt{channel} // 'c',
    );

    return $self->{publishers}[-1];
}


# A source says that its descriptor or what it waits for has changed.
sub watch {
    my ($self, $source) = @_;

    $self->{sources}{$source->{fd}} = $source;
    $self->{events}{$source->{fd}} = $source->{events};
}


sub unwatch {
    my ($self, $source) = @_;

    delete $self->{sources}{$source->{fd}};
    delete $self->{events}{$source->{fd}};
}


# One turn.
sub turn {
    my ($self) = @_;
    my $now = Test::Conductor::Audit::Source::now();

    for (@{$self->{publishers}}, $now >= ($self->{look} // 0)
                                 ? @{$self->{clients}} : ())
    {
        $_->act() if defined $_->{due} && $now >= $_->{due};
    }

    $self->{look} = $now + 0.05 if $now >= ($self->{look} // 0);

    my @poll = %{$self->{events}};

    return if IO::Poll::_poll(5, @poll) <= 0;

    while (my ($fd, $events) = splice @poll, 0, 2) {
        my $source = $self->{sources}{$fd};
        $source->ready($events) if $events && $source;
    }
}


# Goes on until a condition is true; its value, or 0 when time is up.
sub run_until {
    my ($self, $condition, $timeout) = @_;
    my $end = Test::Conductor::Audit::Source::now() + ($timeout // 20);

    for (my $turns = 0; ; $turns++) {
        if ($turns % 4 == 0) {
            my $true = $condition->($self);
            return $true if $true;
        }

        return 0 if Test::Conductor::Audit::Source::now() > $end;
        $self->turn();
    }
}


# Until all clients are there.
sub come {
    my ($self, $timeout) = @_;

    return $self->run_until(sub {
        !grep { !$_->{open} } @{$self->{clients}};
    }, $timeout);
}


# How many events are accepted by now.
sub accepted {
    my ($self) = @_;
    my $sum = 0;

    $sum += $_->{accepted} for @{$self->{publishers}};
    return $sum;
}


# Until so many more events are accepted.
sub more {
    my ($self, $n, $timeout) = @_;
    my $goal = $self->accepted() + $n;

    return $self->run_until(sub { $self->accepted() >= $goal }, $timeout);
}


# Until all is published, and every client has so many events; in vain if some
# are lost.
sub settle {
    my ($self, $timeout) = @_;
    my $end = Test::Conductor::Audit::Source::now() + ($timeout // 60);

    $self->run_until(sub {
        !grep { !$_->done() } @{$self->{publishers}};
    }, $timeout // 60) or return 0;

    my $all = 4 * $self->accepted();

    return $self->run_until(sub {
        !grep { !$_->{open} || length $_->{got} < $all } @{$self->{clients}};
    }, $end - Test::Conductor::Audit::Source::now());
}


# Kills the keeper of each server, and goes on until there is another one.
sub kill_keepers {
    my ($self, @servers) = @_;

    for my $server (@servers) {
        my $pid;

        $self->run_until(sub {
            $pid = Test::Conductor::keeper_pid($server);
        }, 5) or return 0;

        CORE::kill 'KILL', $pid;
        $self->run_until(sub {
            (Test::Conductor::keeper_pid($server) // $pid) != $pid;
        }, 5) or return 0;
    }

    return 1;
}


# Cuts N clients off, at random.
sub cut {
    my ($self, $n) = @_;
    my @open = grep { $_->{open} } @{$self->{clients}};

    $_->lost() for map { splice @open, int rand @open, 1 }
                       1 .. ($n < @open ? $n : scalar @open);
}


# An event came by an id.
sub identified {
    my ($self, $event, $id) = @_;

    $self->{id_of}{$event}{$id}++;
    $self->{event_of}{$id}{$event} = 1;
}


# What is wrong with what the clients got, and how often; {} if nothing is:
#
#     lost         events that a client did not get
#     doubled      that it got again
#     unknown      that nobody published
#     reordered    that came behind a later one of the same publisher
#     ids          plain ids of two events, or beside another one of the same
#                  event, and ids that a client was told twice; with
#                  emptied => [ms] an event may have one from before such a
#                  time, when Redis lost (emptied, or failed over) what one server
#                  had read and others had not, and one from after it
#     told         times that a client was told of a gap
#     disordered   that came behind a later one of the first client's order;
#                  not with faults => 1
sub verdict {
    my ($self, %opt) = @_;
    my (%sum, %place, @accepted);

    $accepted[$_->{id}] = $_ for @{$self->{publishers}};

    for my $client (@{$self->{clients}}) {
        my @got = unpack 'N*', $client->{got};

        if (!%place) {
            my $n = 0;
            $place{$_} //= ++$n for @got;
        }

        $self->one_client(\@got, \@accepted, \%place, \%sum);
    }

    $sum{ids} = () = $self->odd_ids($opt{emptied});
    $sum{told} += $_ for 0, values %{$self->{told}};
    delete $sum{disordered} if $opt{faults};

    return { map { $_ => $sum{$_} } grep { $sum{$_} } keys %sum };
}


# Ids of two events, events of two plain ids (but for those that had one before
# and one after Redis was emptied), and ids told twice, as texts.
# An id with "~" says what a client has had; who had more of the hub before
# something of a server that was alone, and who had it after, had the same.
sub odd_ids {
    my ($self, $emptied) = @_;
    my ($event_of, $id_of) = @$self{qw/ event_of id_of /};
    my $name = sub { join '.', $_[0] >> 24, $_[0] & 0xffffff };

    return (map { my $id = $_;
                  "$id of " . join ' ', map { $name->($_) }
                                            sort keys %{$event_of->{$id}} }
            grep { !/~/ && keys %{$event_of->{$_}} > 1 }
            sort keys %$event_of),
           (map { my $event = $_;
                  $name->($event) . ' by ' . join ' ',
                      map { "$_ x $id_of->{$event}{$_}" }
                          sort keys %{$id_of->{$event}} }
            grep { !one_place($emptied, grep { !/~/ } keys %{$id_of->{$_}}) }
            sort { $a <=> $b } keys %$id_of),
           (map { "$_ twice" } sort keys %{$self->{twice}});
}


# Are these ids one, or one on each side of one of these times?
sub one_place {
    my ($emptied, @ids) = @_;

    return 1 if @ids < 2;

    my ($first, $last) = sort { $a <=> $b } map { /^(\d+)/ } @ids;

    return @ids == 2 && grep { $first <= $_ && $_ <= $last } @{$emptied || []};
}


sub one_client {
    my ($self, $got, $publishers, $place, $sum) = @_;
    my (%seen, @last, @distinct);
    my $before = 0;

    for my $event (@$got) {
        my ($p, $n) = ($event >> 24, $event & 0xffffff);

        if (!$publishers->[$p] || $n > $publishers->[$p]{n}) {
            $sum->{unknown}++;
            next;
        }

        if ($seen{$event}++) {
            $sum->{doubled}++;
            next;
        }

        $sum->{reordered}++ if $n < ($last[$p] // 0);
        $last[$p] = $n if $n > ($last[$p] // 0);
        $distinct[$p]++ if $n <= $publishers->[$p]{accepted};

        my $at = $place->{$event} // 0;
        $sum->{disordered}++ if $at < $before;
        $before = $at;
    }

    $sum->{lost} += $_->{accepted} - ($distinct[$_->{id}] // 0)
        for grep { $_ } @$publishers;
}


# A line for who looks for what went wrong.
sub summary {
    my ($self) = @_;
    my $slowest = 0;

    for (@{$self->{publishers}}) {
        $slowest = $_->{slowest} if ($_->{slowest} // 0) > $slowest;
    }

    my @odd = $self->odd_ids();

    return join ', ', 'accepted ' . $self->accepted(),
        'repeated ' . eval { my $n = 0; $n += $_->{repeated}
                             for @{$self->{publishers}}; $n },
        sprintf('slowest answer %.2f s', $slowest),
        "cut $self->{cuts}", "resumed $self->{resumed}",
        (map { my $what = $_; map { "$what $_: $self->{$what}{$_}" }
                                  sort keys %{$self->{$what}} }
             qw/ told closes refusals /),
        @odd > 5 ? @odd[0 .. 4] : @odd;
}


1;
