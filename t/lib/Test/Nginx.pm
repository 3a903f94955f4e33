package Test::Nginx;

# Runs a real nginx for one test file and judges its error log at the end.

# The interface is that of the library of the same name in nginx-tests, so
# a test file runs on either; see README.md beside the tests.

use warnings;
use strict;

use parent qw/ Exporter Test::Nginx::Features /;

use File::Path qw/ rmtree /;
use File::Temp qw/ tempdir /;
use IO::Socket::INET;
use POSIX qw/ WNOHANG /;
use Scalar::Util qw/ weaken /;
use Test::More qw//;
use Time::HiRes qw/ clock_gettime CLOCK_MONOTONIC /;

use Test::Nginx::HTTP qw/
    log_in log_out log_core port
    http http_get http_head http_start http_end http_content
/;

our @EXPORT = qw/ log_in log_out http http_get http_head port /;
our @EXPORT_OK = qw/ http_start http_end http_content /;

our $NGINX = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';

my $WAIT = 15;      # seconds for a condition that should come at once
my $QUIT = 30;      # seconds for a graceful exit, before TERM

my @running;        # every object that still has to be judged

# It would make nginx take its listening sockets from descriptors.
delete $ENV{NGINX};


# The object: a new directory, nothing started yet.
sub new {
    my ($class) = @_;

    Test::More::BAIL_OUT("no nginx binary at $NGINX") unless -x $NGINX;

    my $self = bless {
        pid      => $$,
        testdir  => tempdir('nginx-test-XXXXXXXXXX', TMPDIR => 1),
        started  => time(),
        alerts   => undef,
        modules  => {},
        daemons  => [],
    }, ref $class || $class || __PACKAGE__;

    # an interrupted test still stops its nginx

    $SIG{$_} ||= sub { exit 1 } for qw/ INT TERM HUP /;

    push @running, $self;
    weaken($running[-1]);

    return $self;
}


# Another nginx of the same test, which is judged with this one.
sub another {
    my ($self) = @_;
    my $other = $self->new();

    push @{$self->{others}}, $other;
    $other->{finished} = 1;             # by this one

    return $other;
}


# Plans N tests of the file and the two of this library.
sub plan {
    my ($self, $n) = @_;
    Test::More::plan(tests => $n + 2);
    return $self;
}


# Alerts are expected: all, or (only here) those that match a pattern.
sub todo_alerts {
    my ($self, $re) = @_;
    $self->{alerts} = $re // qr/./;
    return $self;
}


# The directory that everything of this test is in.
sub testdir {
    my ($self) = @_;
    return $self->{testdir};
}


# A file of the test's directory, whole.
sub read_file {
    my ($self, $name) = @_;

    open my $f, '<:raw', "$self->{testdir}/$name"
        or die "cannot open $name: $!\n";
    local $/;
    return <$f> // '';
}


# Makes a file in the test's directory.
sub write_file {
    my ($self, $name, $content) = @_;

    open my $f, '>:raw', "$self->{testdir}/$name"
        or die "cannot create $name: $!\n";
    print $f $content;
    close $f or die "cannot write $name: $!\n";

    return $self;
}


# Makes a file after filling in the %%NAMES%% and the ports.
sub write_file_expand {
    my ($self, $name, $content) = @_;

    my $user = $> == 0 && $content !~ /^\s*user\s/m ? "user root;\n" : '';

    $content =~ s/%%TEST_GLOBALS%%/$self->test_globals($user)/ge;
    $content =~ s/%%TEST_GLOBALS_HTTP%%/$self->test_globals_http()/ge;
    $content =~ s/%%TEST_GLOBALS_STREAM%%/$self->test_globals_stream()/ge;
    $content =~ s/%%TESTDIR%%/$self->{testdir}/g;
    $content =~ s/127\.0\.0\.1:(8\d\d\d)\b/'127.0.0.1:' . port($1)/ge;
    $content =~ s/%%PORT_(\d+)%%/port($1)/ge;
    $content =~ s/%%PORT_(\d+)_UDP%%/port($1, udp => 1)/ge;

    return $self->write_file($name, $content);
}


# Whether a file of the test's directory has a match.
sub find_in_file {
    my ($self, $name, $re) = @_;
    return $self->read_file($name) =~ $re ? 1 : 0;
}


# What %%TEST_GLOBALS%% stands for.
sub test_globals {
    my ($self, $user) = @_;
    my $globals = $ENV{TEST_NGINX_GLOBALS} // '';

    $self->{has_globals} = 1;
    $user = '' if !defined $user || $globals =~ /(?:^|;)\s*user\s/;

    return "pid $self->{testdir}/nginx.pid;\n"
           . "error_log $self->{testdir}/error.log debug;\n"
           . $user . $globals
           . join('', map { "load_module $_;\n" }
                          sort keys %{$self->{modules}});
}


# What %%TEST_GLOBALS_HTTP%% stands for.
sub test_globals_http {
    my ($self) = @_;

    my $s = "root $self->{testdir};\n"
            . "access_log $self->{testdir}/access.log;\n"
            . "client_body_temp_path $self->{testdir}/client_body_temp;\n";

    for my $module (qw/ fastcgi proxy uwsgi scgi /) {
        $s .= "${module}_temp_path $self->{testdir}/${module}_temp;\n"
            if $self->has_module($module);
    }

    return $s . ($ENV{TEST_NGINX_GLOBALS_HTTP} // '');
}


# What %%TEST_GLOBALS_STREAM%% stands for.
sub test_globals_stream {
    return $ENV{TEST_NGINX_GLOBALS_STREAM} // '';
}


# The arguments that every call of nginx gets for this directory.
sub arguments {
    my ($self) = @_;
    my $conf = eval { $self->read_file('nginx.conf') } // '';
    my $globals = '';

    $globals .= "pid $self->{testdir}/nginx.pid; "
                . "error_log $self->{testdir}/error.log debug; "
        unless $self->{has_globals};
    $globals .= 'daemon off;' unless $conf =~ /^\s*daemon\s/m;

    return ('-p', "$self->{testdir}/", '-c', 'nginx.conf', '-e', 'error.log',
            $globals ? ('-g', $globals) : ());
}


# The output of nginx -T.
sub dump_config {
    my ($self) = @_;

    my $pid = open(my $f, '-|') // die "cannot fork: $!\n";

    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        exec $NGINX, '-T', $self->arguments() or POSIX::_exit(127);
    }

    local $/;
    return <$f>;
}


# Starts nginx, in a process group of its own, and waits for its pid file.
sub run {
    my ($self, $conf) = @_;
    my $dir = $self->{testdir};

    if (defined $conf) {
        open my $f, '<:raw', $conf or die "cannot open $conf: $!\n";
        local $/;
        $self->write_file_expand('nginx.conf', <$f>);
    }

    my @arguments = $self->arguments();
    my $pid = fork() // die "cannot fork: $!\n";

    if ($pid == 0) {
        setpgrp(0, 0);
        s/%%TESTDIR%%/$dir/g for grep { defined } @ENV{sanitizers()};
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$dir/stderr.log";
        open STDERR, '>&', \*STDOUT;
        exec $NGINX, @arguments or POSIX::_exit(127);
    }

    setpgrp($pid, $pid);
    $self->{master} = $pid;

    return $self if $self->waitforfile("$dir/nginx.pid", $pid)
                    && until_true(sub { -s "$dir/nginx.pid" }, 1);

    Test::More::diag(eval { $self->read_file('stderr.log') } // '')
        unless $self->{trying};
    $self->stop();
    die "cannot start nginx\n";
}


# Starts nginx, or skips the file where this nginx cannot.
sub try_run {
    my ($self, $message) = @_;

    local $self->{trying} = 1;
    return $self if eval { $self->run() };

    log_core('||', eval { $self->read_file('stderr.log') } // $@);
    Test::More::plan(skip_all => $message);
}


# Tells the master to read its configuration again; does not wait.
sub reload {
    my ($self) = @_;
    kill 'HUP', $self->read_file('nginx.pid') if $self->{master};
    return $self;
}


# Ends every nginx of this test: QUIT, then TERM, then KILL.
sub stop {
    my ($self) = @_;
    local $?;

    my $group = delete $self->{master} or return $self;
    my %pids = ($group => 1);

    for my $name (qw/ nginx.pid nginx.pid.oldbin /) {
        my $text = eval { $self->read_file($name) } // '';
        $pids{$1} = 1 if $text =~ /^(\d+)/;
    }

    for ([ QUIT => $QUIT ], [ TERM => 10 ], [ KILL => 5 ]) {
        my ($signal, $seconds) = @$_;

        if ($signal ne 'QUIT') {
            Test::More::diag("nginx did not stop, sending $signal");
            push @{$self->{stubborn}}, "nginx had to be killed"
                if $signal eq 'KILL';
        }

        kill $signal, $signal eq 'KILL' ? -$group : keys %pids;
        last if until_true(sub { !grep { !gone($_) } keys %pids }, $seconds);
    }

    # workers whose master a test killed

    for my $signal (qw/ TERM KILL /) {
        last if !kill 0, -$group;
        kill $signal, -$group;
        until_true(sub { !group_alive($group) }, 5);
    }

    return $self;
}


# Runs a function or a program beside nginx, until the end of the test.
sub run_daemon {
    my ($self, $code, @args) = @_;
    my $pid = fork() // die "cannot fork: $!\n";

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw/ INT TERM HUP /;

        if (ref $code eq 'CODE') {
            eval { $code->(@args); 1 } or warn $@;
            POSIX::_exit(0);
        }

        exec $code, @args or POSIX::_exit(127);
    }

    push @{$self->{daemons}}, $pid;
    return $self;
}


# Ends what run_daemon() started.
sub stop_daemons {
    my ($self) = @_;
    local $?;

    while (defined(my $pid = shift @{$self->{daemons}})) {
        kill 'TERM', $pid;
        kill 'CONT', $pid;
        next if until_true(sub { gone($pid) }, 5);
        kill 'KILL', $pid;
        until_true(sub { gone($pid) }, 5);
    }

    return $self;
}


# Waits for a file; gives up at once if the process that makes it ends.
sub waitforfile {
    my ($self, $file, $pid) = @_;
    my $exited;

    return until_true(sub {
        return 1 if -e $file;
        return -1 if $exited;
        $exited = $pid && gone($pid);
        return 0;
    }, $WAIT) == 1;
}


# Waits until somebody listens on an address.
sub waitforsocket {
    my ($self, $peer) = @_;

    return until_true(sub {
        IO::Socket::INET->new(Proto => 'tcp', PeerAddr => $peer) ? 1 : 0;
    }, $WAIT);
}


# The true value of a condition, or 0 after so many seconds.
sub until_true {
    my ($condition, $seconds) = @_;
    my $end = clock_gettime(CLOCK_MONOTONIC) + $seconds;

    for ( ;; ) {
        my $true = $condition->();
        return $true if $true;
        return 0 if clock_gettime(CLOCK_MONOTONIC) > $end;
        select undef, undef, undef, 0.02;
    }
}


# Whether a process, our child or not, is over.
sub gone {
    my ($pid) = @_;

    my $child = waitpid $pid, WNOHANG;

    # a child of which a thread is left is a zombie, but not over: it still has
    # its ports

    return $child == $pid ? 1 : 0 if $child != -1;
    return 1 if !kill 0, $pid;

    open my $f, '<', "/proc/$pid/stat" or return 0;
    return (<$f> // '') =~ /^\d+ \(.*\) Z/ ? 1 : 0;
}


# Whether a process group has a member that is more than a zombie.
sub group_alive {
    my ($group) = @_;

    for my $file (glob '/proc/[0-9]*/stat') {
        open my $f, '<', $file or next;
        return 1 if (<$f> // '') =~ /^\d+ \(.*\) [^ZX] \d+ $group /;
    }

    return 0;
}


# The variables that configure the sanitizers' run-time.
sub sanitizers {
    return qw/ ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS TSAN_OPTIONS /;
}


# What the sanitizers wrote: into the log, at start, or where they were told.
sub sanitizer_reports {
    my ($self) = @_;
    my $seen = join "\n", map { eval { $self->read_file($_) } // () }
                              qw/ error.log stderr.log /;
    my @reports = $seen =~ /.*(?:Sanitizer|: runtime error: ).*/g;
    my %files;

    for my $options (grep { defined } @ENV{sanitizers()}) {
        my ($path) = $options =~ /\blog_path=([^:]+)/ or next;
        $path =~ s/%%TESTDIR%%/$self->{testdir}/g;
        $files{$_} = 1 for glob "\Q$path\E.*";
    }

    for my $file (sort keys %files) {
        next if (stat $file)[9] < $self->{started};
        open my $f, '<', $file or next;
        local $/;
        push @reports, "$file:\n" . <$f>;
    }

    return @reports;
}


# Stops everything and runs the two tests that plan() counted.
sub finish {
    my ($self) = @_;

    return if $self->{pid} != $$ || $self->{finished}++;

    # Perl may destroy this before the clients of the test

    Test::WebSocket::Socket->drop_all()
        if Test::WebSocket::Socket->can('drop_all');

    my @all = ($self, @{$self->{others} || []});

    $_->stop() for @all;
    $_->stop_daemons() for @all;

    judge(@all) if Test::More->builder->expected_tests;

    for (@all) {
        print eval { $_->read_file('error.log') } // ''
            if $ENV{TEST_NGINX_CATLOG};

        if ($ENV{TEST_NGINX_LEAVE}) {
            Test::More::diag("left: $_->{testdir}");

        } else {
            rmtree($_->{testdir}, { error => \my $errors });
        }
    }
}


# The two tests, of all that ran.
sub judge {
    my @all = @_;
    my $todo = $all[0]{alerts};
    my @alerts = grep { /\[alert\]/ }
                 map { split /\n/, eval { $_->read_file('error.log') } // '' }
                     @all;
    my @bad = ((map { @{$_->{stubborn} || []} } @all),
               grep { !$todo || $_ !~ $todo } @alerts);

    # not by $TODO: that belongs to the package of the caller, which
    # Test::Builder does not find in every file at its end

    my $expected = @alerts && !@bad;

    Test::More->builder->todo_start('alerts') if $expected;
    Test::More::is(join("\n", @bad ? @bad : @alerts), '', 'no alerts');
    Test::More->builder->todo_end() if $expected;

    Test::More::is(join("\n", map { $_->sanitizer_reports() } @all), '',
                   'no sanitizer errors');
}


sub DESTROY {
    my ($self) = @_;
    local ($?, $@, $!);
    $self->finish();
}


END {
    my $status = $?;
    $_->finish() for grep { defined } @running;
    $? = $status;
}


1;
