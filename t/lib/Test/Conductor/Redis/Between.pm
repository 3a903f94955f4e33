package Test::Conductor::Redis::Between;

# Somebody between a hub and its Redis: passes on what both say, or says other
# things to the hub.

use warnings;
use strict;

use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use JSON::PP qw//;
use POSIX qw//;
use Socket qw/ SHUT_WR /;

use Test::Nginx qw//;


# new($t, $redis, port => 8379): listens where the configuration has Redis.
sub new {
    my ($class, $t, $redis, %opt) = @_;

    my $listen = IO::Socket::INET->new(
        Listen => 64, ReuseAddr => 1, LocalAddr => '127.0.0.1',
        LocalPort => Test::Nginx::port($opt{port})) or die "listen: $!\n";

    pipe my $orders, my $pipe or die "pipe: $!\n";
    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw/ INT TERM HUP /;
        $SIG{PIPE} = 'IGNORE';
        syscall 157, 1, 9;              # prctl: it ends if the test does
        close $pipe;
        eval { serve($listen, $redis->port(), $orders) };
        print STDERR "# between: $@" if $@;
        POSIX::_exit(0);
    }

    $pipe->autoflush(1);
    push @{$t->{daemons}}, $pid;

    return bless { pipe => $pipe, pid => $pid }, $class;
}


# What a hub gets instead of an answer on connections of one kind ("commands",
# "reader", "subscriber"), those to come too: a text, and then another one for
# ever.  With now => 1 it comes without a question.
sub says {
    my ($self, $hub, $kind, $text, $more, %opt) = @_;

    return $self->order({ kind => "$hub $kind", text => $text, more => $more,
                          %opt });
}


# From now on a text of Redis is another one, given a pattern.
sub instead {
    my ($self, $pattern, $text) = @_;

    return $self->order({ pattern => $pattern, text => $text });
}


# It only passes on again; who was told something else is cut off.
sub behave { $_[0]->order({}) }


sub order {
    my ($self, $order) = @_;

    print {$self->{pipe}} JSON::PP::encode_json($order), "\n";
    return $self;
}


###############################################################################
# Of the child.

sub serve {
    my ($listen, $port, $orders) = @_;
    my ($order, $lines, @pairs) = ({ says => {} }, '');

    while (1) {
        my $read = IO::Select->new($listen, $orders);
        my $write = IO::Select->new();

        for my $p (@pairs) {
            more($p, $order);
            $read->add($p->{hub}, $p->{told} ? () : $p->{redis});
            $write->add($p->{hub}) if length $p->{out};
        }

        my ($readable, $writable) = IO::Select->select($read, $write, undef);
        my %ready = map { $_ => 1 } @{$readable || []};
        my %free = map { $_ => 1 } @{$writable || []};

        if ($ready{$orders}) {
            sysread $orders, $lines, 65536, length $lines or return;
            $order = heed($order, $1) while $lines =~ s/^(.*)\n//;
            @pairs = grep { !$_->{told} || $order->{says}{kind($_)} } @pairs;
        }

        for my $p (@pairs) {
            from_hub($p, $order) if $ready{$p->{hub}};
            from_redis($p, $order) if !$p->{gone} && $ready{$p->{redis}};
            to_hub($p) if !$p->{gone} && $free{$p->{hub}};
        }

        @pairs = grep { !$_->{gone} } @pairs;

        push @pairs, both($listen, $port) if $ready{$listen};
    }
}


sub heed {
    my ($order, $line) = @_;
    my $new = JSON::PP::decode_json($line);

    return { says => {} } unless %$new;
    return { %$order, %$new } unless $new->{kind};

    $order->{says}{$new->{kind}} = $new;
    return $order;
}


sub kind { "$_[0]{name} $_[0]{kind}" }


sub both {
    my ($listen, $port) = @_;

    my $hub = $listen->accept() or return;
    my $redis = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                      PeerPort => $port) or return;

    $hub->blocking(0);
    return { hub => $hub, redis => $redis, kind => '', name => '',
             out => '' };
}


sub from_hub {
    my ($p, $order) = @_;

    return $p->{gone} = 1 unless sysread $p->{hub}, my $text, 262144;

    $p->{name} = $1 if $text =~ /SETNAME\r\n\$\d+\r\nconductor:(\w+)/;
    $p->{kind} = $text =~ /XREAD/ ? 'reader' : $text =~ /EVAL/ ? 'commands'
               : $text =~ /SUBSCRIBE/ ? 'subscriber' : $p->{kind};

    return if $p->{told} || answer($p, $order);

    while (length $text) {
        my $n = syswrite $p->{redis}, $text or return $p->{gone} = 1;
        substr $text, 0, $n, '';
    }
}


sub from_redis {
    my ($p, $order) = @_;

    return $p->{gone} = 1 unless sysread $p->{redis}, my $text, 262144;

    $text =~ s/$order->{pattern}/$order->{text}/ if $order->{pattern};
    $p->{out} .= $text unless $p->{told};
}


sub to_hub {
    my ($p) = @_;

    my $n = syswrite $p->{hub}, $p->{out};

    return $p->{gone} = 1 unless $n || $!{EAGAIN};
    substr $p->{out}, 0, $n || 0, '';
}


sub answer {
    my ($p, $order) = @_;

    my $says = $order->{says}{kind($p)} or return 0;

    $p->{out} .= $says->{text};
    $p->{told} = $says;
    return 1;
}


sub more {
    my ($p, $order) = @_;
    my $says = $order->{says}{kind($p)} or return;

    answer($p, $order) if $says->{now} && !$p->{told};

    $p->{out} .= $says->{more} x (1 + 65536 / length $says->{more})
        if $p->{told} && length $says->{more} && length $p->{out} < 65536;
}


1;
