package Bench::Soak::Server;

# The nginx of the soak: its processes, what they take, and their violent ends.

use strict;
use warnings;

use Cwd qw/ abs_path /;
use File::Temp qw/ tempdir /;
use FindBin;
use IO::Socket::INET;
use POSIX qw/ WNOHANG /;
use Time::HiRes qw/ sleep time /;

use lib abs_path("$FindBin::Bin/../t/lib");
use Test::Conductor::Zone;

my $root = abs_path("$FindBin::Bin/..");
my $nginx = $ENV{BENCH_NGINX} || '/usr/sbin/nginx';
my $module = $ENV{BENCH_MODULE} || "$root/build/ngx_conductor_module.so";

my %running;

END {
    my $status = $?;
    $_->abandon() for values %running;
    $? = $status;
}


# new(workers => N, drain => SECONDS, zone => SIZE, connections => N); also
# conf => FILE, and "values" of what else that asks for.
sub new {
    my ($class, %options) = @_;

    my $self = bless { %options, port => free_port(), draining => {},
        dir => tempdir('soak-XXXXXX', TMPDIR => 1,
                       CLEANUP => !$ENV{SOAK_LEAVE}) }, $class;

    chmod 0755, $self->{dir};

    my %values = (
        PORT => $self->{port}, MODULE => $module, DIR => $self->{dir},
        WORKERS => $options{workers}, ZONE => $options{zone},
        DRAIN => "$options{drain}s", CONNECTIONS => $options{connections},
        USER => $> == 0 ? 'user root;' : '', %{$options{values} || {}},
    );

    my $file = $options{conf} || $ENV{SOAK_CONF} || "$root/bench/servers/soak.conf";
    open my $in, '<', $file or die "$file: $!\n";
    my $conf = do { local $/; <$in> };

    $conf =~ s/%%(\w+)%%/$values{$1} \/\/ die "%%$1%%\n"/ge;

    open my $out, '>', "$self->{dir}/nginx.conf" or die "nginx.conf: $!\n";
    print $out $conf;
    close $out or die "nginx.conf: $!\n";

    return $self;
}


# Starts it, again and again while those of before have the port.
sub start {
    my ($self) = @_;
    my $deadline = time + 30;

    for ( ;; ) {
        my $pid = fork() // die "fork: $!\n";

        if ($pid == 0) {
            delete $ENV{NGINX};
            POSIX::setpgid(0, 0);
            exec $nginx, '-p', "$self->{dir}/", '-c', 'nginx.conf',
                '-e', 'error.log' or POSIX::_exit(1);
        }

        $self->{master} = $pid;
        $running{$self} = $self;

        while (waitpid($pid, WNOHANG) == 0) {
            return if $self->workers() >= $self->{workers}
                      && defined $self->get('/health');
            die "nginx does not start\n" if time > $deadline;
            sleep 0.05;
        }

        delete $self->{master};

        die "nginx does not start\n"
            if time > $deadline || $self->log() !~ /could not bind\(\)\s*\z/;
        sleep 0.2;
    }
}


sub quit {
    my ($self) = @_;

    kill 'QUIT', $self->{master};
    $self->wait_master($self->{drain} + 20)
        or die "nginx does not quit\n" . $self->log();
}


sub kill_master {
    my ($self) = @_;

    $self->follow($self->workers());
    kill 'KILL', $self->{master};
    $self->wait_master(5) or die "the master does not die\n";
}


sub wait_master {
    my ($self, $seconds) = @_;
    my $deadline = time + $seconds;

    while (waitpid($self->{master}, WNOHANG) == 0) {
        return 0 if time > $deadline;
        sleep 0.02;
    }

    delete $self->{master};
    delete $running{$self};
    return 1;
}


# Ends all that is left of it, by their numbers.
sub abandon {
    my ($self) = @_;
    my @pids = (keys %{$self->{draining}},
                $self->{master} ? $self->children() : ());

    kill 'KILL', $self->{master} if $self->{master};
    $self->wait_master(5) if $self->{master};
    kill 'KILL', $_ for grep { ours($_) } @pids;
}


# A reload; its old workers are followed until they are gone.
sub reload {
    my ($self) = @_;

    $self->follow($self->workers());
    kill 'HUP', $self->{master};
}


sub follow {
    my ($self, @pids) = @_;
    $self->{draining}{$_} //= time for @pids;
}


# How long those took that have gone since, and the longest of those left.
sub drained {
    my ($self) = @_;
    my (@gone, $left);

    for my $pid (keys %{$self->{draining}}) {
        my $age = time - $self->{draining}{$pid};

        if (title($pid) =~ /^nginx: worker/) {
            $left = $age if !defined $left || $age > $left;
            next;
        }

        push @gone, $age;
        delete $self->{draining}{$pid};
    }

    return ([ @gone ], $left);
}


# Those that take clients; with an argument, those that drain.
sub workers {
    my ($self, $shutting) = @_;

    return grep { title($_) =~ ($shutting ? qr/^nginx: worker.*shutting down/
                                          : qr/^nginx: worker process\s*$/) }
           $self->children();
}


sub keeper {
    my ($self) = @_;
    return (grep { title($_) =~ /keeper|cache manager/ }
            $self->children())[0];
}


sub children {
    my ($self) = @_;
    my @pids;

    return unless $self->{master};

    for my $file (glob '/proc/[0-9]*/stat') {
        open my $f, '<', $file or next;
        push @pids, $1 if (<$f> // '') =~ /^(\d+) \(.*\) [^ZX] (\d+) /s
                          && $2 == $self->{master};
    }

    return sort { $a <=> $b } @pids;
}


sub title {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/cmdline" or return '';
    my $title = do { local $/; <$f> } // '';

    return $title =~ s/\0.*//sr;
}


sub ours { return title($_[0]) =~ /^(?:nginx: |conductor)/ }


# What all processes have: private memory and descriptors; and of the zone,
# how many connections, workers and counted keys there are.
sub measure {
    my ($self) = @_;
    my %sum = (memory => 0, descriptors => 0);

    for my $pid ($self->{master}, $self->children()) {
        open my $f, '<', "/proc/$pid/smaps_rollup" or next;
        my ($kb) = do { local $/; <$f> } =~ /^Pss_Anon:\s+(\d+)/m or next;

        $sum{memory} += $kb * 1024;

        opendir my $dir, "/proc/$pid/fd" or next;
        $sum{descriptors} += grep { /^\d/ } readdir $dir;
    }

    my $health = $self->get('/health') // '';

    $sum{$_} = $health =~ /"$_":(\d+)/ ? $1 : undef
        for qw/ connections workers /;
    ($sum{database}) = $health =~ /"database":"(\w+)"/;
    $sum{keys} = $self->keys_used();

    return \%sum;
}


# Keys of the first table are counted for each connection that there is.
sub keys_used {
    my ($self) = @_;
    my ($pid) = $self->workers() or return undef;
    my $zone = Test::Conductor::Zone->new($pid) or return undef;
    my ($table) = $zone->tables() or return undef;

    return unpack 'L<', $zone->get($table->[0] + 16, 4);
}


# The body of an answer with 200, or nothing.
sub get {
    my ($self, $path) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $self->{port}, Timeout => 2) or return undef;

    print $s "GET $path HTTP/1.1\r\nHost: localhost\r\n"
        . "Connection: close\r\n\r\n";

    my $answer = do { local $/; <$s> } // '';

    $answer =~ s/^HTTP\/1\.1 200 .*?\r\n\r\n//s or return undef;
    return $answer;
}


# What it said in earnest, but for the deaths that were ours.
sub alarms {
    my ($self) = @_;

    return grep {
        /\[(?:alert|emerg|crit)\]/ && !/signal 9/
        && !/the master process \d+ is gone/ && !/bind\(\)/
        && !/still could not bind/
    } split /^/, $self->log();
}


sub log {
    my ($self) = @_;

    open my $fh, '<', "$self->{dir}/error.log" or return '';
    local $/;
    return <$fh> // '';
}


sub free_port {
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
        or die "no port: $!\n";
    return $s->sockport();
}


1;
