package Bench::Soak::Clients;

# The load client as a process of its own that takes commands.

use strict;
use warnings;

use Cwd qw/ abs_path /;
use FindBin;
use IPC::Open2 qw/ open2 /;
use JSON::PP;

my $load = abs_path("$FindBin::Bin/..") . '/build/bench/load';


# new($server, clients => N, ...): the other options are those of bench/load.c.
sub new {
    my ($class, $server, %options) = @_;
    my $self = bless {}, $class;

    $self->{pid} = open2(@$self{qw/ out in /}, $load, 'case=soak',
        'peer=conductor', "port=$server->{port}",
        map { "$_=$options{$_}" } sort keys %options);

    $self->{in}->autoflush(1);
    return $self;
}


# Does a command and returns the figures of that moment.
sub command {
    my ($self, $line) = @_;

    return decode_json($self->line($line));
}


sub line {
    my ($self, $line) = @_;

    local $SIG{PIPE} = 'IGNORE';
    print {$self->{in}} "$line\n";

    my $answer = readline $self->{out};
    die "the clients are gone\n" unless defined $answer;

    return $answer;
}


# { user => [ 1 (there), 0 (gone) or -1, status, feature, for how many ms ] }
sub truth {
    my ($self) = @_;
    my %truth;
    my $line = $self->line('truth');

    while ($line =~ /"([^"]+)":\[(-?\d),"(\w+)",(?:"([^"]*)"|null),(\d+)\]/g)
    {
        $truth{$1} = [ $2, $3, $4, $5 ];
    }

    return \%truth;
}


# Ends them; the last figures, with all that never came.
sub quit {
    my ($self) = @_;
    my $stats = $self->command('quit');

    close $self->{in};
    waitpid $self->{pid}, 0;
    delete $self->{pid};

    return $stats;
}


sub DESTROY {
    my ($self) = @_;

    kill 'KILL', $self->{pid} if $self->{pid};
}


1;
