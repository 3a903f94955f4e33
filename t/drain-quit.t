#!/usr/bin/perl

# QUIT of the master drains the server: clients are sent away over "drain", and
# who still gets through is told to go elsewhere.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use IO::Socket::INET;

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(14);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    4m;
        history size=64k;
        drain   4s;
    }

    conductor_auth       off;
    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

$t->run();

my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
my @pids = ($master, worker_pids($t));

my $many = many_clients($t, 60);
$many->wait_each(1, 'welcome') or die "no welcome\n";

# connections that nginx keeps, with a request that has begun

my %kept = map { $_ => begun() } qw/ ws ready live health /;

kill 'QUIT', $master;

ok(wait_for(sub {
       !IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . port(8080));
   }), 'nginx takes no new connections');

like(ended('ws', '/', 'Upgrade: websocket', 'Connection: Upgrade',
           'Sec-WebSocket-Version: 13',
           'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='),
    qr/^HTTP\/1.1 503 .*^Retry-After: \d+.*"code":"draining"/ms,
    'on one that it has, a client is refused');
like(ended('ready', '/health?probe=ready'),
    qr/^HTTP\/1.1 503 .*"reason":"draining"/s, 'the server is not ready');
like(ended('live', '/health?probe=live'), qr/^HTTP\/1.1 200 /, 'but alive');

my $said = ended('health', '/health');
like($said, qr/^HTTP\/1.1 200 .*"draining":true/s, 'and says that it drains');
like($said, qr/^Connection: close/m, 'in its last answer');

# clients

ok($many->run_until(sub { $many->open_count() < 60 }), 'a client is sent away');
cmp_ok($many->open_count(), '>', 0, 'while others stay for their time');
ok($many->run_until(sub { answer(); !$many->open_count() }), 'then all');

my @closed = map { $_->{closed} || [ 1006, '' ] } $many->clients();
is(scalar(grep { $_->[0] == 1012 } @closed), 60, 'for a restart');

my %retry = map { $_ => 1 } grep { /^retry=\d{1,5}\z/ } map { $_->[1] } @closed;
is(scalar(grep { !$retry{$_->[1]} } @closed), 0, 'with when to come back');
cmp_ok(scalar keys %retry, '>', 30, 'each at another time');
is_deeply([ map { $_->faults() } $many->clients() ], [], 'and no fault');
ok(wait_gone(\@pids), 'and the processes end');

$t->stop();


# A connection on which one request is answered, and another one has begun.
sub begun {
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . port(8080))
        or die "cannot connect: $!\n";
    my $got = '';

    print $s "GET /health?probe=live HTTP/1.1\r\nHost: localhost\r\n\r\nG";
    1 while $got !~ /}\s*\z/ && sysread $s, $got, 4096, length $got;

    return $s;
}


# The answer to the request that goes on like this.
sub ended {
    my ($name, $path, @headers) = @_;
    my ($s, $got) = ($kept{$name}, '');

    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = sub { die "no answer\n" };
    alarm 10;

    print $s join "\r\n", "ET $path HTTP/1.1", 'Host: localhost', @headers,
                          '', '';
    1 while sysread $s, $got, 4096, length $got;

    alarm 0;
    return $got;
}


# Those who were told to go do.
sub answer {
    for my $ws ($many->clients()) {
        $ws->send_frame(8, pack 'n', 1012)
            if $ws->{closed} && !$ws->{close_sent}++;
    }
}
