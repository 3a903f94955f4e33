package Test::Conductor::Redis;

# Real Redis servers of a test, with whatever may happen to one.

use warnings;
use strict;

use Exporter qw/ import /;

use File::Path qw//;
use JSON::PP qw//;
use POSIX qw//;
use Test::More qw//;

use Test::Conductor qw/ wait_for /;
use Test::Conductor::Redis::Client;
use Test::Nginx qw//;

our @EXPORT = qw/ redis /;

my $json = JSON::PP->new->utf8->canonical;


# redis($t, %opt): a server of its own in the test's directory, started.
#
#     port     => 8379      as the configuration calls it
#     name     => 'redis'   of its files: NAME.conf, NAME.log, NAME.sock
#     bind     => '127.0.0.1'
#     net      => $space    the network that it is in, see Test::Conductor::Net
#     keep     => 1         what it holds survives kill(), but not empty()
#     password => $text     of the user "default"
#     tls      => $certs    of redis_certificates(): the port speaks only TLS
#     conf     => [ ... ]   more lines of its configuration
#     start    => 1         0: it is not started
#
# It also listens on the Unix socket path(), which client() uses.
sub redis {
    my ($t, %opt) = @_;

    return __PACKAGE__->new($t, %opt);
}


sub new {
    my ($class, $t, %opt) = @_;

    my $self = bless {
        t => $t,
        name => $opt{name} // 'redis',
        bind => $opt{bind} // '127.0.0.1',
        port => Test::Nginx::port($opt{port} // 8379),
        net => $opt{net},
        password => $opt{password},
        arguments => $opt{arguments} // [],
    }, $class;

    $t->write_file("$self->{name}.conf",
                   join '', map { "$_\n" } $self->lines(%opt));

    $self->start() if $opt{start} // 1;
    return $self;
}


# The lines of its configuration.
sub lines {
    my ($self, %opt) = @_;
    my $dir = $self->{t}->testdir();
    my $tls = $opt{tls};

    mkdir "$dir/$self->{name}.d";

    return (
        "bind $self->{bind}", 'protected-mode no', 'daemonize no',
        "dir $dir/$self->{name}.d", "logfile $dir/$self->{name}.log",
        "unixsocket $dir/$self->{name}.sock",
        $opt{lines} ? () : ('save ""', 'enable-debug-command yes'),
        $tls ? ('port 0', "tls-port $self->{port}",
                "tls-ca-cert-file $tls->{ca}",
                "tls-cert-file $tls->{cert}", "tls-key-file $tls->{key}",
                'tls-auth-clients ' . ($opt{clients} // 'yes'))
             : ("port $self->{port}"),
        $opt{keep} ? ('appendonly yes', 'appendfsync always') : (),
        defined $opt{password} ? "requirepass $opt{password}" : (),
        @{$opt{lines} || []}, @{$opt{conf} || []},
    );
}


# Starts it and waits until it answers.
sub start {
    my ($self) = @_;
    my $dir = $self->{t}->testdir();
    my @program = ('redis-server', "$dir/$self->{name}.conf",
                   @{$self->{arguments}});

    unlink $self->path();
    $self->{stopped} = 0;

    my $pid = fork() // die "cannot fork: $!\n";

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw/ INT TERM HUP PIPE /;
        syscall 157, 1, 9;              # prctl: it ends if the test does
        $self->{net}->enter() if $self->{net};
        open STDOUT, '>>', "$dir/$self->{name}.log";
        open STDERR, '>&', \*STDOUT;
        exec @program or POSIX::_exit(127);
    }

    $self->{pid} = $pid;
    push @{$self->{t}{daemons}}, $pid;

    wait_for(sub { Test::Nginx::gone($pid) || $self->answers() });
    return $self if $self->answers();

    Test::More::diag(eval { $self->{t}->read_file("$self->{name}.log") } // '');
    die "cannot start redis-server\n";
}


# Whether it is there, and has loaded what it kept.
sub answers {
    my ($self) = @_;

    return eval { $self->client(timeout => 2)->do('PING') eq 'PONG' };
}


# Ends it at once, or in the way it wants to.
sub kill { $_[0]->end('KILL') }
sub stop { $_[0]->end('TERM') }

sub end {
    my ($self, $signal) = @_;
    my $pid = delete $self->{pid} or return $self;
    local $?;

    CORE::kill $signal, $pid;
    CORE::kill 'CONT', $pid;
    wait_for(sub { Test::Nginx::gone($pid) }) or die "redis does not end\n";
    @{$self->{t}{daemons}} = grep { $_ != $pid } @{$self->{t}{daemons}};

    return $self;
}


# It is killed, and is there again; empty, if it was not told to keep.
sub restart {
    my ($self) = @_;
    return $self->kill()->start();
}


# All that it has is forgotten, on the disk too; it must not run.
sub empty {
    my ($self) = @_;
    my $dir = $self->{t}->testdir() . "/$self->{name}.d";

    File::Path::remove_tree($dir, { keep_root => 1 });
    return $self;
}


# It hangs, its connections open, and goes on.
sub hang { CORE::kill 'STOP', $_[0]{pid}; return $_[0] }
sub go_on { CORE::kill 'CONT', $_[0]{pid}; return $_[0] }


# Where it is: a Unix socket; address and port; what a configuration says.
sub path { $_[0]{t}->testdir() . "/$_[0]{name}.sock" }
sub port { $_[0]{port} }
sub pid { $_[0]{pid} }
sub address { "$_[0]{bind}:$_[0]{port}" }
sub url { 'redis://' . $_[0]->address() }


# A new connection, as the user "default" unless auth => [ user, password ].
sub client {
    my ($self, %opt) = @_;

    $opt{auth} //= [ $self->{password} ] if defined $self->{password};

    return Test::Conductor::Redis::Client->new($self->path(), %opt)
           // die "cannot connect to redis\n";
}


# One command, on a connection that stays as long as it can.
sub do {
    my ($self, @command) = @_;

    $self->{own} = $self->client() if !$self->{own} || $self->{own}->ended();
    return $self->{own}->do(@command);
}


# What the program redis-cli prints, given these arguments.
sub cli {
    my ($self, @arguments) = @_;

    open my $pipe, '-|', 'redis-cli', '-s', $self->path(),
                         defined $self->{password}
                             ? ('--no-auth-warning', '-a', $self->{password})
                             : (),
                         @arguments
        or die "redis-cli: $!\n";

    my $text = do { local $/; <$pipe> } // '';
    local ($?, $!);
    CORE::close $pipe;

    $text =~ s/\n\z//;
    return $text;
}


# Publishes an event as a program that knows nothing of the hub does; how many
# connections got it.
sub publish {
    my ($self, $channel, $event) = @_;

    return $self->do('PUBLISH', $channel,
                     ref $event ? $json->encode($event) : $event);
}


# A field of INFO.
sub info {
    my ($self, $field) = @_;

    # one that becomes the master ends its connections, a new one too

    my $text = eval { $self->client()->do('INFO', 'all') }
               // $self->client()->do('INFO', 'all');

    return $text =~ /^\Q$field\E:(.*?)\r?$/m ? $1 : undef;
}


# The connections it has, each a hash of what CLIENT LIST says; the test's are
# those with a path.
sub connections {
    my ($self) = @_;

    return map { { map { split /=/, $_, 2 } split / / } }
           grep { !m! addr=/! } split /\n/, $self->do('CLIENT', 'LIST');
}


1;
