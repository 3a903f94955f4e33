package Test::Conductor::Net;

# Networks of a test's own, with cables that can be pulled.

use warnings;
use strict;

use Exporter qw/ import /;

use POSIX qw//;

our @EXPORT = qw/ own_network /;

my $UNSHARE = 272;          # as Linux numbers its system calls on x86-64
my $SETNS = 308;
my $PRCTL = 157;

if ((POSIX::uname())[4] eq 'aarch64') {
    ($UNSHARE, $SETNS, $PRCTL) = (97, 268, 167);
}

my $NEWNET = 0x40000000;


# Takes this process, and all that it starts from now on, out of the machine's
# network into a new one, where it has 127.0.0.0/8 to itself.  To be called
# before anything else of the test.  Dies if that cannot be; only root may.
sub own_network {
    new_network();
}


sub new_network {
    syscall($UNSHARE, $NEWNET) == 0
        or die "cannot make a network namespace: $!; this test must run as"
               . " root, with CAP_SYS_ADMIN, on a kernel with namespaces\n";

    ip('link set lo up');
}


# Another network, with nothing in it.  new($t): until the end of the test.
sub new {
    my ($class, $t) = @_;

    pipe my $read, my $write or die "pipe: $!\n";
    my $pid = fork() // die "cannot fork: $!\n";

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw/ INT TERM HUP /;
        syscall $PRCTL, 1, 9;               # it ends if the test does
        eval { new_network(); syswrite $write, 'x'; 1 } or warn $@;
        POSIX::close(fileno $write);
        POSIX::pause() for 1 .. 1000;
        POSIX::_exit(0);
    }

    close $write;
    push @{$t->{daemons}}, $pid;

    sysread $read, my $made, 1;
    die "cannot make a network namespace\n" if !$made;

    return bless { pid => $pid, links => 0 }, $class;
}


# Makes this process one of that network.
sub enter {
    my ($self) = @_;

    open my $ns, '<', "/proc/$self->{pid}/ns/net" or die "no network: $!\n";
    syscall($SETNS, fileno $ns, $NEWNET) == 0 or die "setns: $!\n";
}


# Runs a program in it.
sub run {
    my ($self, @program) = @_;

    system('nsenter', '-t', $self->{pid}, '-n', @program) == 0
        or die "failed: @program\n";
}


# A cable between the test's network and that one.  The Nth has 10.77.N.1 here
# and 10.77.N.2 there.
sub cable {
    my ($self) = @_;
    my $n = ++$self->{links};
    my $link = "cdr$n";

    ip("link add $link type veth peer name $link netns $self->{pid}");

    # An address that IPv6 makes is good a second or two later: a browser then
    # says that the network has changed, and what it loads fails.

    ip("link set $link addrgenmode none");
    $self->run(qw/ ip link set /, $link, qw/ addrgenmode none /);

    ip("addr add 10.77.$n.1/24 dev $link");
    ip("link set $link up");
    $self->run(qw/ ip addr add /, "10.77.$n.2/24", 'dev', $link);
    $self->run(qw/ ip link set /, $link, 'up');

    return bless { net => $self, link => $link, n => $n },
                 'Test::Conductor::Net::Cable';
}


sub ip {
    my ($arguments) = @_;
    system("ip $arguments") == 0 or die "failed: ip $arguments\n";
}


package Test::Conductor::Net::Cable;


# The addresses of its ends.
sub here { "10.77.$_[0]{n}.1" }
sub there { "10.77.$_[0]{n}.2" }


# Pulls it: what is sent is lost, without a word.
sub pull {
    my ($self) = @_;
    $self->{net}->run(qw/ ip link set /, $self->{link}, 'down');
    return $self;
}


# Puts it back.
sub plug {
    my ($self) = @_;
    $self->{net}->run(qw/ ip link set /, $self->{link}, 'up');
    return $self;
}


1;
