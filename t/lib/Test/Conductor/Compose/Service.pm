package Test::Conductor::Compose::Service;

# One service of a compose file: what the file and its image say of it, and its
# program, started, asked, stopped.

use warnings;
use strict;

use Cwd qw/ abs_path /;
use File::Basename qw/ dirname /;
use POSIX qw//;

use Test::Conductor qw/ wait_for /;
use Test::Conductor::Compose::Inside;
use Test::Nginx qw//;

my $ROOT = abs_path(dirname(__FILE__) . '/../../../../..');

my $PRCTL = (POSIX::uname())[4] eq 'aarch64' ? 167 : 157;

# What the images that are not ours run: by default, always, where, and on
# which port.
my %image = (
    redis => {
        command => [ 'redis-server' ], more => [ '--protected-mode', 'no' ],
        directory => '/data', port => 6379,
    },
    nginx => {
        # wherever this one was configured to look

        command => [ qw{ nginx -p /var/lib/nginx/ -c /etc/nginx/nginx.conf
                         -e /var/log/nginx/error.log -g }, 'daemon off;' ],
        directory => '/', port => 80,
    },
    'prom/prometheus' => {
        command => [ 'prometheus',
                     '--config.file=/etc/prometheus/prometheus.yml',
                     '--storage.tsdb.path=/prometheus' ],
        directory => '/prometheus', port => 9090,
    },
);


sub new {
    my ($class, $t, $name, $config) = @_;
    my $log = $t->another();

    my $self = bless {
        t => $t, name => $name, config => $config, log => $log,
        dir => $log->testdir(),
        image => $config->{build} ? own_image()
                                  : $image{$config->{image} =~ s/:.*//r},
    }, $class;

    mkdir "$self->{dir}/volumes";
    return $self;
}


# What the Dockerfile says of the one that is ours.
sub own_image {
    open my $f, '<', "$ROOT/Dockerfile" or die "Dockerfile: $!\n";
    my $text = do { local $/; <$f> };

    my ($user) = $text =~ /^USER +(\d+)/m or die "no number of a user\n";
    my ($signal) = $text =~ /^STOPSIGNAL +SIG(\w+)/m or die "no STOPSIGNAL\n";
    my ($entry) = $text =~ /^ENTRYPOINT +\["([^"]+)"\]/m
        or die "no ENTRYPOINT\n";

    my ($health) = $text =~ /^HEALTHCHECK .*?CMD +\["([^"]+)"\]/ms
        or die "no HEALTHCHECK\n";

    my ($directory) = $text =~ /.*^WORKDIR +(\S+)/ms or die "no WORKDIR\n";

    return { command => [ $entry ], directory => $directory, own => 1,
             user => $user, signal => $signal, health => $health };
}


# Whether its program is on this machine: Grafana, for one, is not in Debian.
sub runs { defined $_[0]{image} }


sub address { $_[0]{address} }
sub pid { $_[0]{pid} }


# What it has written to stdout and stderr.
sub out { $_[0]{log}->read_file('stdout.log') }
sub err { $_[0]{log}->read_file('error.log') }


# The names of those that are started before it; docker-compose prints a list,
# or what is waited for by name.
sub depends_on {
    my ($self) = @_;
    my $on = $self->{config}{depends_on} // [];

    return sort ref $on eq 'HASH' ? keys %$on : @$on;
}


# Its published ports: [ address of the machine or '', port there, port ].
# One docker-compose prints the long form of them, another the short one.
sub ports {
    my ($self) = @_;

    return map {
        ref $_ ? [ $_->{host_ip} // '', $_->{published}, $_->{target} ]
               : /^(?:([\d.]+):)?(\d+):(\d+)(?:\/tcp)?$/
                 ? [ $1 // '', $2, $3 ] : die "a port that is not known: $_\n"
    } @{$self->{config}{ports} || []};
}


# Its mounts: { source, target, ro, named }.
sub mounts {
    my ($self) = @_;

    return map {
        my %m = ref $_
            ? (source => $_->{source}, target => $_->{target},
               ro => $_->{read_only})
            : do { my @m = split /:/;
                   (source => $m[0], target => $m[1],
                    ro => ($m[2] // '') eq 'ro') };

        $m{named} = $m{source} !~ m{^/};
        $m{source} = "$self->{dir}/volumes/$m{source}" if $m{named};
        $m{source} = $self->{instead}{$m{target}} // $m{source};
        \%m;
    } @{$self->{config}{volumes} || []};
}


# Mounts a file after a function has changed its text in $_, as it must.
sub instead {
    my ($self, $target, $change) = @_;
    my ($m) = grep { $_->{target} eq $target } $self->mounts()
        or die "nothing is mounted at $target\n";

    open my $f, '<', $m->{source} or die "$m->{source}: $!\n";
    local $_ = do { local $/; <$f> };
    $change->() or die "$m->{source} has nothing to change\n";

    my $name = $target =~ tr{/}{-}r;
    $self->{log}->write_file($name, $_);
    chmod 0644, "$self->{dir}/$name";
    $self->{instead}{$target} = "$self->{dir}/$name";
}


# Seconds that it has to end by itself.
sub grace {
    my ($self) = @_;
    my ($m, $s) = ($self->{config}{stop_grace_period} // '10s')
                  =~ /^(?:(\d+)m)?(?:(\d+)s)?$/ or die "unknown period\n";

    return 60 * ($m // 0) + ($s // 0);
}


# How many descriptors it has: as the file says, if this machine lets it.
sub nofile {
    my ($self) = @_;
    my $said = ($self->{config}{ulimits} || {})->{nofile};

    open my $f, '<', '/proc/self/limits' or die "no limits: $!\n";
    my ($hard) = map { /^Max open files +\d+ +(\d+)/ } <$f>;

    $said = ref $said ? $said->{hard} : $said // $hard;
    return $said < $hard ? $said : $hard;
}


# Starts it, and waits until it is well or ends: whether it is well.
sub start { $_[0]->begin()->() }


# Starts it; what is returned waits for that, and returns as start() does.
sub begin {
    my ($self) = @_;
    my $pid = fork() // die "cannot fork: $!\n";

    if ($pid == 0) {
        setpgrp(0, 0);
        $SIG{$_} = 'DEFAULT' for qw/ INT TERM HUP PIPE /;
        syscall $PRCTL, 1, 9;               # it ends if the test does
        eval { Test::Conductor::Compose::Inside::become($self) };
        print STDERR $@;
        POSIX::_exit(127);
    }

    setpgrp($pid, $pid);
    $self->{pid} = $self->{log}{master} = $pid;

    return sub {
        my $well;

        wait_for(sub {
            ($well) = $self->health();
            $well || Test::Nginx::gone($pid);
        }, 20);

        return $well;
    };
}


# What its image's health check finds: (whether all is well, what it says).  Of
# those that have none, whether they listen.
sub health {
    my ($self) = @_;
    my ($address, $port) = ($self->{address}, $self->{image}{port});

    return $self->exec($self->{image}{health}) if $self->{image}{health};
    return (IO::Socket::INET->new(PeerAddr => "$address:$port") ? 1 : 0, '');
}


# Runs a program beside it, as "docker compose exec" does: (whether it succeeds,
# what it says).
sub exec {
    my ($self, @program) = @_;
    my $user = $self->{image}{user} // 0;

    my $pid = open(my $pipe, '-|') // die "cannot fork: $!\n";

    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        %ENV = $self->environment();
        CORE::exec 'nsenter', '-t', $self->{pid}, qw/ -m -n -u -r -w /,
                   "--setuid=$user", "--setgid=$user", @program
            or POSIX::_exit(127);
    }

    my $said = do { local $/; <$pipe> } // '';
    local ($?, $!);
    return (close $pipe ? 1 : 0, $said);
}


# Ends it as "docker compose stop" does: the signal of its image, and KILL when
# its time is over.  Returns its exit status, undef if it was killed.
sub stop { $_[0]->stopping()->() }


# Tells it to stop; what is returned waits for that, and returns as stop() does.
sub stopping {
    my ($self) = @_;
    return $self->end($self->{image}{signal} // 'TERM', $self->grace());
}


# Ends all of its processes at once.
sub kill { $_[0]->end('KILL', 5)->() }


sub end {
    my ($self, $signal, $seconds) = @_;
    my $pid = $self->{pid} // return sub {};

    CORE::kill $signal, $signal eq 'KILL' ? -$pid : $pid;

    return sub {
        my $ended = wait_for(sub { waitpid($pid, POSIX::WNOHANG()) == $pid },
                             $seconds);
        my $status = $ended ? $? : undef;

        CORE::kill 'KILL', -$pid;
        waitpid $pid, 0 if !$ended;
        delete @$self{qw/ pid /};
        delete $self->{log}{master};

        return $status;
    };
}


# What the file says, and what an engine adds.
sub environment {
    my ($self) = @_;
    my %said = %{$self->{config}{environment} || {}};

    return (
        PATH => '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        (map { defined $ENV{$_} ? ($_ => $ENV{$_}) : () }
             Test::Nginx::sanitizers()),

        # nginx -t, with which a start begins, ends without freeing anything

        defined $ENV{ASAN_OPTIONS}
            ? (ASAN_OPTIONS => "$ENV{ASAN_OPTIONS}:detect_leaks=0") : (),
        map { defined $said{$_} ? ($_ => $said{$_}) : () } keys %said,
    );
}


1;
