package Test::Conductor::Zone;

# The shared memory of a hub, as a process has it: to leave it as one does that
# is killed in the middle of changing it.

use warnings;
use strict;

no warnings 'portable';                 # addresses have 64 bits

use Fcntl qw/ SEEK_SET /;

use constant {
    ZONE_MAGIC    => 'CNCDUTOR',
    COUNTER_MAGIC => 0x43647243,
    LOG_MAGIC     => 0x4364724c,
    LOCK          => 0,                 # nginx's own, before the zone
    DIRTY         => 40,                # where the mark is in the zone
    PARTS         => 112,               # and where the parts are listed
    ENTRY         => 48,                # octets of a counted key
    COUNT         => 24,                # and where its count is
};


# That of a process; undef if its layout is not the one known here.
sub new {
    my ($class, $pid) = @_;
    my $self = bless {}, $class;

    open $self->{mem}, '+<:raw', "/proc/$pid/mem"
        or die "/proc/$pid/mem: $!\n";
    open my $maps, '<', "/proc/$pid/maps" or die "/proc/$pid/maps: $!\n";

    for my $line (<$maps>) {
        my ($from, $to) = $line =~ m!^(\w+)-(\w+) rw-s .*/dev/zero! or next;
        my $at = index $self->get(hex $from, hex($to) - hex $from), ZONE_MAGIC;

        next if $at < 0;

        @$self{qw/ pool zone /} = (hex $from, hex($from) + $at);
        return $self;
    }

    return undef;
}


# [ address, entries ] of each part that is a table of counted keys.
sub tables {
    my ($self) = @_;
    my $zone = $self->{zone};
    my @tables;

    for my $i (0 .. 15) {
        my $offset = unpack 'Q<', $self->get($zone + PARTS + 16 * $i, 8);
        my ($magic, undef, $n) = unpack 'L<3', $self->get($zone + $offset, 12);

        push @tables, [ $zone + $offset, $n ]
            if $offset && $magic == COUNTER_MAGIC;
    }

    return @tables;
}


# The event log says that its oldest event is beyond its newest.
sub spoil_log {
    my ($self) = @_;
    my $zone = $self->{zone};

    for my $i (0 .. 15) {
        my $at = $zone + unpack 'Q<', $self->get($zone + PARTS + 16 * $i, 8);

        next if LOG_MAGIC != unpack 'L<', $self->get($at, 4);
        $self->put($at + 72, pack 'Q<', 100 + unpack 'Q<',
                                              $self->get($at + 64, 8));
        return 1;
    }

    return 0;
}


# All that is derived in a table leads nowhere: how many are in use, the free
# ones, the queue of windows, the buckets.
sub spoil {
    my ($self, $at, $n) = @_;

    $self->put($at + 16, "\xff" x 16);
    $self->put($at + 64, "\xff" x (4 * $n));
}


# Every count of a table is wrong.
sub spoil_counts {
    my ($self, $at, $n) = @_;
    my $high = unpack 'L<', $self->get($at + 12, 4);
    my $entries = $at + 64 + (4 * $n + 63 & ~63);

    $self->put($entries + ENTRY * $_ + COUNT, pack 'L<', 77)
        for 0 .. $high - 1;
}


# Marks the zone as being changed.
sub set_dirty {
    my ($self) = @_;
    $self->put($self->{zone} + DIRTY, pack 'L<', 1);
}


sub is_dirty {
    my ($self) = @_;
    return $self->get($self->{zone} + DIRTY, 4) ne pack 'L<', 0;
}


# Gives the lock to a process; false if somebody has it.
sub set_locked {
    my ($self, $pid) = @_;
    my $lock = $self->{pool} + LOCK;

    return 0 if $self->get($lock, 8) ne pack 'Q<', 0;

    $self->put($lock, pack 'Q<', $pid);
    return 1;
}


sub get {
    my ($self, $at, $len) = @_;
    my $mem = $self->{mem};

    sysseek $mem, $at, SEEK_SET or die "seek: $!\n";
    (sysread($mem, my $octets, $len) // 0) == $len or die "read: $!\n";
    return $octets;
}


sub put {
    my ($self, $at, $octets) = @_;
    my $mem = $self->{mem};

    sysseek $mem, $at, SEEK_SET or die "seek: $!\n";
    syswrite($mem, $octets) == length $octets or die "write: $!\n";
}


1;
