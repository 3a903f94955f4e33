package Test::Conductor;

# What tests of the module need beside nginx and one WebSocket client.

use warnings;
use strict;

use parent 'Exporter';

use File::Temp qw//;
use JSON::PP qw//;
use Test::More qw//;
use Time::HiRes qw/ clock_gettime CLOCK_MONOTONIC /;

use Test::Conductor::Clients;
use Test::Nginx qw/ http http_content /;
use Test::WebSocket;

our @EXPORT = (qw/
    workers conductor_conf need_conductor skip_all nginx_t
    wait_for wait_gone halt worker_pids keeper_pid reload_workers killed
    api publish health sql many_clients fd_count rss private_memory shared_memory
/, @Test::WebSocket::EXPORT);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;


# How many workers to test with: TEST_NGINX_WORKERS, or 1.
sub workers {
    return $ENV{TEST_NGINX_WORKERS} || 1;
}


# The alerts of a master whose processes are killed: one may have had the lock.
sub killed {
    return qr/exited on signal 9|zone "\w+" was locked by/;
}


# A configuration with %%WORKERS%% filled in, for write_file_expand(), and with
# a second listener where TEST_NGINX_TLS asks for one.
sub conductor_conf {
    my ($conf) = @_;
    my $n = workers();

    $conf =~ s/%%WORKERS%%/$n/g;
    return $conf if !$ENV{TEST_NGINX_TLS} || $conf =~ /127\.0\.0\.1:8443/;

    my ($key, $cert) = certificate();

    $conf =~ s{^(\s*listen\ +127\.0\.0\.1:)8080((?:\ [^;]*)?);}
              {$1 . "8080$2;$1" . "8443$2 ssl;"
               . " ssl_certificate $cert; ssl_certificate_key $key;"}megx;
    return $conf;
}


# A key and a certificate of nobody, made once.
sub certificate {
    our $made //= do {
        my $dir = File::Temp::tempdir('test-tls-XXXXXX', TMPDIR => 1,
                                      CLEANUP => 1);

        system("openssl req -x509 -newkey ec -nodes -days 2"
               . " -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=localhost"
               . " -keyout $dir/key.pem -out $dir/cert.pem"
               . " >/dev/null 2>&1") == 0 or die "openssl failed\n";
        $dir;
    };

    return ("$made/key.pem", "$made/cert.pem");
}


# Skips the file unless TEST_NGINX_GLOBALS loads the module.
sub need_conductor {
    my ($t) = @_;

    skip_all('TEST_NGINX_GLOBALS does not load ngx_conductor_module.so')
        unless ($ENV{TEST_NGINX_GLOBALS} // '')
               =~ /load_module\s+[^;]*ngx_conductor_module\.so\s*;/;

    return $t;
}


# Skips the file; a failure where CI is set, as a dependency is missing.
sub skip_all {
    my ($reason) = @_;

    die "$reason, and it must not be missing where CI is set\n" if $ENV{CI};
    Test::More::plan(skip_all => $reason);
}


# nginx -t of a configuration: (whether it is accepted, what was printed).
sub nginx_t {
    my ($t, $conf) = @_;
    my $dir = $t->testdir();

    $t->write_file_expand('check.conf', conductor_conf($conf));

    delete local $ENV{NGINX};

    # it ends without freeing what it has read

    local $ENV{ASAN_OPTIONS} = join ':', $ENV{ASAN_OPTIONS} // (),
                                    'detect_leaks=0';

    my $output = `$Test::Nginx::NGINX -t -p $dir/ -c check.conf \\
                  -e error.log 2>&1`;
    my $ok = $? == 0;

    # it leaves an empty one, which would look like a started nginx

    unlink "$dir/nginx.pid" if -z "$dir/nginx.pid";

    return ($ok, $output);
}


# The true value of a condition, or its last one after so many seconds, by
# default 20: what a server does within its drain takes ten.
sub wait_for {
    my ($condition, $timeout) = @_;
    my $end = clock_gettime(CLOCK_MONOTONIC) + ($timeout // 20);

    for ( ;; ) {
        my $value = $condition->();
        return $value if $value || clock_gettime(CLOCK_MONOTONIC) > $end;
        select undef, undef, undef, 0.02;
    }
}


# Whether all these processes end in time.
sub wait_gone {
    my ($pids, $timeout) = @_;

    return wait_for(sub { !grep { alive($_) } @$pids }, $timeout);
}


# Stops processes, and waits until they stand still: a signal is only on its
# way when kill() returns, and what is sent then would still be read.
sub halt {
    my (@pids) = @_;

    kill 'STOP', @pids;

    return wait_for(sub { !grep { process_state($_) !~ /[TZX]/ } @pids });
}


# Whether a process is there and no zombie.  One that is ending is there yet,
# though its memory, and with that its title, is gone.
sub alive {
    my ($pid) = @_;

    return process_state($pid) !~ /[ZX]/;
}


# The state of a process as the kernel calls it, X if there is none.
sub process_state {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/stat" or return 'X';
    return (<$f> // '') =~ /.*\) (\w) /s ? $1 : 'X';
}


# The title of a live process, undef if there is none.
sub title {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/cmdline" or return undef;
    my $title = do { local $/; <$f> } // '';

    $title =~ s/\0.*//s;
    return $title eq '' ? undef : $title;
}


# The children of the master whose title matches.
sub children {
    my ($t, $re) = @_;
    my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/ or return;
    my @pids;

    for my $file (glob '/proc/[0-9]*/stat') {
        open my $f, '<', $file or next;
        my ($pid, $parent) = (<$f> // '') =~ /^(\d+) \(.*\) \S (\d+) /s
            or next;
        push @pids, $pid if $parent == $master && (title($pid) // '') =~ $re;
    }

    @pids = sort { $a <=> $b } @pids;
    return @pids;
}


# The workers that take connections; all => 1: those that drain, too.
sub worker_pids {
    my ($t, %opt) = @_;

    return children($t, $opt{all} ? qr/^nginx: worker process/
                                  : qr/^nginx: worker process\s*$/);
}


# The process that keeps what outlives connections: nginx's cache manager.
sub keeper_pid {
    my ($t) = @_;
    return (children($t, qr/^nginx: conductor keeper\s*$/))[0];
}


# Reloads and waits: the old workers, once all the new ones are there.
sub reload_workers {
    my ($t, $timeout) = @_;
    my @old = worker_pids($t);
    my %old = map { $_ => 1 } @old;

    $t->reload();

    my $done = wait_for(sub {
        my @now = worker_pids($t);
        return @now >= @old && !grep { $old{$_} } @now;
    }, $timeout);

    return $done ? @old : ();
}


# One HTTP request: (status, body decoded if it is JSON, headers as text).
#
#     headers      => [ 'Name: value' ]
#     token        => $jwt          Authorization: Bearer
#     body type                     type is application/json by default
#     port         => 8080          as the configuration calls it
#     ssl          => 1             over TLS, by default on port 8443
#     peer source                   addresses, 127.0.0.1 and any
sub api {
    my ($t, $method, $path, %opt) = @_;
    my $body = $opt{body};

    my @lines = ("$method $path HTTP/1.1", 'Host: localhost',
                 'Connection: close', @{$opt{headers} || []});

    push @lines, "Authorization: Bearer $opt{token}" if defined $opt{token};
    push @lines, 'Content-Type: ' . ($opt{type} // 'application/json'),
                 'Content-Length: ' . length $body if defined $body;

    my $port = $opt{port} // ($opt{ssl} ? 8443 : $t->{number} // 8080);

    my $answer = http(join("\x0d\x0a", @lines, '', '') . ($body // ''),
        PeerAddr => ($opt{peer} // '127.0.0.1') . ':'
                    . Test::Nginx::port($port),
        $opt{source} ? (LocalAddr => $opt{source}) : (),
        $opt{ssl} ? (SSL => 1) : ());

    return unless defined $answer;

    my ($status) = $answer =~ m!^HTTP/1\.1 (\d+)!;
    my ($head) = $answer =~ /^(.*?\x0d\x0a)\x0d\x0a/s;
    my $content = http_content($answer);
    my $value = eval { $json->decode($content) };

    return ($status, $@ ? $content : $value, $head);
}


# POSTs an event, a list of events, or octets: (status, decoded body, headers).
# Options are those of api(), "path" (/publish), "key" (Idempotency-Key).
sub publish {
    my ($t, $events, %opt) = @_;
    my @headers = @{$opt{headers} || []};

    push @headers, "Idempotency-Key: $opt{key}" if defined $opt{key};

    return api($t, 'POST', $opt{path} // '/publish', %opt,
               headers => \@headers,
               body => ref $events ? $json->encode($events) : $events);
}


# GETs /health: (status, decoded body); "probe" asks for one.
sub health {
    my ($t, %opt) = @_;
    my $path = $opt{path} // '/health';

    $path .= "?probe=$opt{probe}" if defined $opt{probe};
    return api($t, 'GET', $path, %opt);
}


# The rows that the program sqlite3 gets from a database of the test's
# directory, columns separated by "|"; undef if it fails.
sub sql {
    my ($t, $file, $query) = @_;

    open my $pipe, '-|', 'sqlite3', '-batch', '-cmd', '.timeout 2000',
                         $t->testdir() . "/$file", $query
        or die "sqlite3: $!\n";

    chomp(my @rows = <$pipe>);
    return close $pipe ? \@rows : undef;
}


# Many clients at once: see Test::Conductor::Clients.
sub many_clients {
    return Test::Conductor::Clients->new(@_);
}


# How many descriptors a process has open.
sub fd_count {
    my ($pid) = @_;

    opendir my $dir, "/proc/$pid/fd" or return undef;
    return scalar grep { /^\d+$/ } readdir $dir;
}


# All memory that a worker shares with others, among it the zones.
sub shared_memory {
    my ($t) = @_;
    my ($pid) = worker_pids($t);
    my $content = '';

    open my $maps, '<', "/proc/$pid/maps" or die "maps: $!\n";
    open my $mem, '<:raw', "/proc/$pid/mem" or die "mem: $!\n";

    while (my $line = <$maps>) {
        my ($from, $to) = $line =~ /^(\w+)-(\w+) rw-s / or next;

        ($from, $to) = map { unpack 'Q>', pack 'H16', substr '0' x 16 . $_,
                                                             -16 } $from, $to;
        seek $mem, $from, 0;
        read $mem, my $bytes, $to - $from;
        $content .= $bytes;
    }

    return $content;
}


# The resident memory of a process, in octets.
sub rss {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/status" or return undef;
    my ($kb) = do { local $/; <$f> } =~ /^VmRSS:\s+(\d+) kB/m or return undef;
    return $kb * 1024;
}


# The memory that a process has written to and shares with no other, in octets.
# Pages of program files are not counted: they become private, or shared, as
# another nginx that maps the same files ends, or starts.
sub private_memory {
    my ($pid) = @_;
    my ($sum, $shared) = (0);

    open my $f, '<', "/proc/$pid/smaps" or die "no smaps: $!\n";

    while (my $line = <$f>) {
        $shared = $1 eq 's' if $line =~ /^\w+-\w+ ...([ps]) /;
        $sum += $1 * 1024
            if !$shared && $line =~ /^Private_Dirty:\s+(\d+) kB/;
    }

    return $sum;
}


1;
