package Bench::Server;

# A server under measurement: its own directory, port, processor and end.

use strict;
use warnings;

use Cwd qw/ getcwd abs_path /;
use File::Temp qw/ tempdir /;
use FindBin;
use IO::Socket::INET;
use JSON::PP;
use POSIX qw/ WNOHANG /;
use Time::HiRes qw/ sleep time /;

my $root = abs_path("$FindBin::Bin/..");
my $out = "$root/build/bench";
my $nginx = $ENV{BENCH_NGINX} || '/usr/sbin/nginx';
my $module = $ENV{BENCH_MODULE} || "$root/build/ngx_conductor_module.so";
my $nchan = $ENV{BENCH_NCHAN} || '/usr/lib/nginx/modules/ngx_nchan_module.so';
my $server_cpu = $ENV{SERVER_CPU} // 1;
my $client_cpu = $ENV{CLIENT_CPU} // 0;

my %running;

END {
    my $status = $?;
    $_->stop() for values %running;
    $? = $status;
}


# Starts one and waits until it answers; servers => N starts so many that are
# one hub, and their Redis, or with apart => 1 know nothing of each other.
sub start {
    my ($class, $peer, %options) = @_;

    my $servers = $options{servers} // 1;
    my $redis = $servers > 1 && !$options{apart};

    my $self = bless { peer => $peer, ports => [ free_ports($servers + 1) ],
        dir => tempdir('bench-XXXXXX', TMPDIR => 1, CLEANUP => 1) }, $class;

    chmod 0755, $self->{dir};

    my @command = $servers > 1 ? $self->several($servers, %options)
                               : $self->command(0, %options);
    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        delete $ENV{NGINX};
        $ENV{NODE_PATH} = "$out/node_modules";

        # a Ctrl-C is for the one who started this, who then ends us

        POSIX::setpgid(0, 0);
        exec 'taskset', '-c', $server_cpu, @command;
        die "taskset: $!\n";
    }

    $self->{pid} = $pid;
    $running{$pid} = $self;

    my $last = pop @{$self->{ports}};
    $self->wait_for($_) for @{$self->{ports}}, $redis ? $last : ();

    if ($redis) {
        $self->wait_joined($_) for @{$self->{ports}};
    }

    return $self;
}


sub wait_for {
    my ($self, $port) = @_;
    my $deadline = time + 10;

    until (IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)) {
        die "$self->{peer} does not start\n"
            if time > $deadline || waitpid($self->{pid}, WNOHANG) > 0;
        sleep 0.02;
    }
}


# Until a server says that it is connected to Redis.
sub wait_joined {
    my ($self, $port) = @_;
    my $deadline = time + 10;
    my $answer = '';
    my ($path, $joined) = $self->{peer} eq 'conductor'
        ? ('/health', qr/"redis":"connected"/)
        : ('/publish', qr{^HTTP/1.1 (?!503)});

    return if !$self->is_nginx();

    until ($answer =~ $joined) {
        die "Redis is not joined\n" if time > $deadline;
        sleep 0.1;

        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
            PeerPort => $port) or next;

        print $s "GET $path HTTP/1.1\r\nHost: localhost\r\n"
            . "Connection: close\r\n\r\n";
        $answer = do { local $/; <$s> } // '';
    }
}


# Servers, and their Redis, as one command.
sub several {
    my ($self, $servers, %options) = @_;
    my $redis = $options{apart} ? undef : $self->{ports}[-1];

    my @all = map { [ $self->command($_, %options, redis => $redis) ] }
                  0 .. $servers - 1;

    unshift @all, [ 'redis-server', '--port', $redis, '--bind', '127.0.0.1',
        '--save', "''", '--dir', $self->{dir}, '--logfile', 'redis.log' ]
        if $redis;

    return ('sh', '-c', join ' & ', (map { "@$_" } @all), 'wait');
}


sub is_nginx { return $_[0]{peer} =~ /^(?:conductor|nchan)$/ }


sub command {
    my ($self, $i, %options) = @_;

    my ($peer, $port) = ($self->{peer}, $self->{ports}[$i]);
    my $redis = $options{redis};
    my $dir = "$self->{dir}/$i";

    return ("$out/bare", $port) if $peer eq 'bare';
    return ('node', "$root/bench/servers/ws.js", $port) if $peer eq 'ws';
    return ('node', "$root/bench/servers/socketio.js", $port, $redis // ())
        if $peer eq 'socketio';

    mkdir $dir;

    my %values = (
        PORT => $port,
        MODULE => $module,
        NCHAN => $nchan,
        CONNECTIONS => $options{connections} // 1024,
        PRESENCE => $options{presence} ? "presence $dir/tasks.db;"
            . ' channel presence:updates { }' : '',
        REDIS => !$redis ? '' : $peer eq 'nchan' ? 'nchan_redis_pass redis;'
            : "state $dir/state; redis redis://127.0.0.1:$redis;",
        AUDIT => $options{audit} ? "audit_log $dir/audit.log;" : '',
        UPSTREAM => !$redis ? ''
            : "upstream redis { nchan_redis_server redis://127.0.0.1:$redis; }",
        MESSAGES => $options{messages} // '100000000 per=60s bytes=1024m',
    );

    open my $in, '<', "$root/bench/servers/$peer.conf"
        or die "there is no peer \"$peer\"\n";
    my $conf = do { local $/; <$in> };

    $conf =~ s/%%(\w+)%%/$values{$1} \/\/ die "%%$1%%\n"/ge;

    open my $fh, '>', "$dir/nginx.conf" or die "$dir: $!\n";
    print $fh $conf;
    close $fh or die "$dir: $!\n";

    chmod $options{presence} ? 0777 : 0755, $dir;

    return ($nginx, '-p', "$dir/", '-c', 'nginx.conf', '-e', 'error.log');
}


# Runs the load client on it and returns what it has measured.
sub client {
    my ($self, @options) = @_;

    my @arguments;

    while (my ($name, $value) = splice @options, 0, 2) {
        push @arguments, "$name=$value";
    }

    my $pid = open my $fh, '-|', 'taskset', '-c', $client_cpu, "$out/load",
        "peer=$self->{peer}", 'port=' . join(',', @{$self->{ports}}),
        "pid=$self->{pid}", @arguments or die "taskset: $!\n";

    my $line = <$fh> // '';
    close $fh;

    my $log = $self->log();

    die "the load client failed: @arguments\n$log" unless $line =~ /^\{/;
    warn $log if $log ne '';

    return decode_json($line);
}


sub stop {
    my ($self) = @_;

    delete $running{$self->{pid}} or return;

    kill 'TERM', -$self->{pid};

    for (1 .. 500) {
        waitpid $self->{pid}, WNOHANG;
        return if !kill 0, -$self->{pid};
        sleep 0.02;
    }

    kill 'KILL', -$self->{pid};
    waitpid $self->{pid}, 0;
}


sub log {
    my ($self) = @_;

    my @lines;

    for my $file (glob "$self->{dir}/*/error.log") {
        open my $fh, '<', $file or next;
        push @lines, <$fh>;
    }

    return join '', @lines > 5 ? @lines[0 .. 4] : @lines;
}


sub free_ports {
    my @sockets = map {
        IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
            or die "no port: $!\n"
    } 1 .. $_[0];

    return map { $_->sockport() } @sockets;
}


1;
