package Test::Conductor::Roam;

# Clients behind a load balancer, that come back to whatever server it gives
# them, and publishers that repeat what was not accepted.

use warnings;
use strict;

use Exporter qw/ import /;
use Test::More qw//;

use Test::Conductor qw/ health publish wait_for /;
use Test::JWT qw/ jwt /;
use Test::WebSocket qw/ ws_connect /;

our @EXPORT = qw/ roam task joined server_of /;


# An event of the examples, with a number.
sub task {
    return { type => 'task-status-changed', taskId => "T$_[0]",
             featureSlug => 'search', oldStatus => 'InProgress',
             newStatus => 'InReview' };
}


# joined($t, %opt): whether a server, or one behind it, is of a hub of two.
sub joined {
    my $h = (health(@_))[1];

    return ref $h && ($h->{redis} // '') eq 'connected' && $h->{servers} == 2;
}


# server_of($t, %opt): which server that is.
sub server_of {
    my $h = (health(@_))[1];

    return ref $h ? $h->{server} : '';
}


# roam($t, %opt): so many architects, each of an address of its own, connected.
#
#     clients => 30
#     key     => $secret          of their tokens
#     net     => '127.0.2'        of their addresses
#     to      => $t               whom ws_connect() asks
#     at      => []               more options of ws_connect() and publish()
sub roam {
    my ($t, %opt) = @_;

    my $self = bless {
        t => $t, all => [], to => $opt{to} // $t, at => $opt{at} // [],
        net => $opt{net} // '127.0.2',
        system => jwt({ sub => 'tasks', role => 'system' }, key => $opt{key}),
    }, __PACKAGE__;

    $self->{clients} = [ map {
        { token => jwt({ sub => "user$_", role => 'architect' },
                       key => $opt{key}),
          source => "$self->{net}.$_", got => [] }
    } 1 .. $opt{clients} // 30 ];

    $self->come($_) for $self->clients();
    return $self;
}


sub clients { @{$_[0]{clients}} }


# How many are connected.
sub connected {
    return scalar grep { $_->{ws}->is_open() } $_[0]->clients();
}


# A client comes, for the first time or again.
sub come {
    my ($self, $c) = @_;
    my $since = $c->{since} ? "?since=$c->{since}" : '';

    my $ws = wait_for(sub {
        my $ws = ws_connect($self->{to}, "/$since", token => $c->{token},
                            source => $c->{source}, @{$self->{at}});
        $ws->is_open() ? $ws : undef;
    }) or die "a client is not let in\n";

    my $welcome = $ws->recv_until('welcome');

    $c->{since} //= $welcome->{lastEventId};
    $c->{server} = $welcome->{server};
    $c->{ws} = $ws;

    return $c;
}


# The servers that they are at.
sub servers {
    my %servers = map { $_->{server} => 1 } $_[0]->clients();
    return join ' ', sort keys %servers;
}


# An event that somebody else publishes is one that all should get.
sub expect {
    my ($self, $n) = @_;
    push @{$self->{all}}, "T$n";
}


# Publishes so many events through the balancer, each until it is accepted.
sub events {
    my ($self, $n) = @_;

    for (1 .. $n) {
        my $k = 1 + @{$self->{all}};

        # as publishers do, whose server ends

        wait_for(sub {
            my ($status) = publish($self->{t}, task($k), @{$self->{at}},
                                   token => $self->{system},
                                   key => "event $k");
            ($status // 0) == 200;
        }, 15) or die "event $k is refused\n";

        $self->expect($k);
    }
}


# Reads until all have had all events, or one has too many or goes wrong.
sub complete {
    my ($self) = @_;
    my $last = $self->{all}[-1];

    for my $c ($self->clients()) {
        until (@{$c->{got}} && $c->{got}[-1] eq $last) {
            my $m = $c->{ws}->recv_json();

            if (!$m) {
                return $self->wrong($c, 'nothing comes')
                    if !$c->{ws}->expect_close();
                $self->come($c);

            } elsif (($m->{type} // '') eq 'task-status-changed') {
                push @{$c->{got}}, $m->{taskId};
                $c->{since} = $m->{eventId};

            } elsif (($m->{type} // '') eq 'resumed') {
                return $self->wrong($c, $m->{reason}) if !$m->{recovered};
            }
        }
    }

    return 1;
}


# Those that did not get each event once, in the order of the publisher.
sub disordered {
    my ($self) = @_;
    my @wrong = grep { "@{$_->{got}}" ne "@{$self->{all}}" } $self->clients();

    Test::More::diag(map { "$_->{server}: @{$_->{got}}\n" } @wrong) if @wrong;
    return scalar @wrong;
}


# A line that says how it went.
sub summary {
    my ($self) = @_;
    my ($lost, $doubled) = (0, 0);

    for my $c ($self->clients()) {
        my %n;

        $n{$_}++ for @{$c->{got}};
        $lost += grep { !$n{$_} } @{$self->{all}};
        $doubled += grep { $_ > 1 } values %n;
    }

    return scalar(@{$self->{clients}}) . ' clients, '
        . scalar(@{$self->{all}}) . " events, $lost lost, $doubled doubled";
}


# What else the servers did against the RFC.
sub faults { return map { $_->{ws}->faults() } $_[0]->clients() }


sub wrong {
    my ($self, $c, $why) = @_;

    Test::More::diag("$why, at $c->{server} with $c->{since}, after "
        . @{$c->{got}} . ' of ' . @{$self->{all}} . ' events');
    return 0;
}


1;
