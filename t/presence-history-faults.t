#!/usr/bin/perl

# GET /presence/history when nobody answers: a keeper that stands still, that
# is killed, clients that go, and more questions than there is room for.

use warnings;
use strict;

use IO::Select;
use IO::Socket::INET;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
    ->has_daemon('sqlite3'))->plan(9);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      4m;                           # room for one question
        history   events=100 size=64k;
        presence  tasks.db;
    }

    server {
        listen 127.0.0.1:8080;

        location /presence  { conductor_presence h; }
        location /health    { conductor_health h; }
    }
}

EOF_CONF

$t->run();
$t->todo_alerts(killed());
wait_for(sub { (health($t))[1]{database} eq 'ok' });

is((api($t, 'GET', '/presence/history'))[0], 200, 'a question is answered');

# a keeper that stands still

my $keeper = keeper_pid($t);

kill 'STOP', $keeper;

my $first = waiting();
my ($status, $body) = wait_for_full();
is($status, 503, 'while one waits, another finds no room');
like($body->{error}, qr/too many questions/, 'and is told so');

like(answer($first), qr/ 503 .*not answered within five seconds/s,
    'one that nobody answers is given up');

my $left = waiting();
close $left;

my $next = waiting();
ok($next, 'one whose client has gone leaves its room to the next');

kill 'CONT', $keeper;
like(answer($next), qr/ 200 .*"items":\[\]/s,
    'which is answered when the keeper is back');

# one that is killed

kill 'STOP', $keeper;
$next = waiting();
kill 'KILL', $keeper;

like(answer($next), qr/ 200 .*"items":\[\]/s,
    'the next keeper answers what the last one was asked');

# the database is locked: reading goes on

my $pid = open my $lock, '|-', 'sqlite3', $t->testdir() . '/tasks.db'
    or die "sqlite3: $!\n";
$lock->autoflush(1);
print $lock "BEGIN EXCLUSIVE;\nSELECT 1;\n.once " . $t->testdir()
    . "/locked\nSELECT 'locked';\n";
wait_for(sub { -s $t->testdir() . '/locked' });

is((api($t, 'GET', '/presence/history'))[0], 200,
    'a lock of another program does not keep it from being read');

print $lock "COMMIT;\n";
close $lock;

is((api($t, 'GET', '/presence/history'))[0], 200, 'nor does it matter later');


# A request that was sent.
sub question {
    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1:' . port(8080), Proto => 'tcp')
        or die "connect: $!\n";

    print $socket "GET /presence/history HTTP/1.0\x0d\x0a\x0d\x0a";
    $socket->flush();
    return $socket;
}


sub answer {
    my ($socket) = @_;
    local $/;

    return scalar <$socket>;
}


# The answer to a question for which there is no room.
sub wait_for_full {
    my ($status, $body);

    wait_for(sub {
        my $socket = question();
        IO::Select->new($socket)->can_read(0.5) or return 0;
        ($status, $body) = answer($socket) =~ / (\d+) .*\x0d\x0a\x0d\x0a(.*)/s;
        return $status == 503;
    });

    return ($status, { error => $body });
}


# A question that waits: not one that was refused at once.
sub waiting {
    return wait_for(sub {
        my $socket = question();
        return IO::Select->new($socket)->can_read(0.5) ? undef : $socket;
    });
}
