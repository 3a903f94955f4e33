#!/usr/bin/perl

# A key from the environment: kept over a reload and a new binary, and hidden
# from the workers.  nginx changes its binary only as a daemon.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(20);

$ENV{CONDUCTOR_TEST_SECRET} = 'secret-of-the-environment-' . 'x' x 20;
$ENV{CONDUCTOR_TEST_PASSED} = 'passed-on-by-the-configuration';
$ENV{CONDUCTOR_TEST_OTHER} = 'not-named-anywhere';

my $conf = conductor_conf(<<'CONF');

%%TEST_GLOBALS%%

error_log %%TESTDIR%%/info.log info;

daemon on;
worker_processes %%WORKERS%%;

env CONDUCTOR_TEST_PASSED;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 4m;
        history events=1000 size=256k;
        drain 0s;
        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor h;
            conductor_limit_conn off;
            conductor_jwt_key HS256 env:CONDUCTOR_TEST_SECRET;
        }

        location /again {
            conductor h;
            conductor_jwt_key HS512 env:CONDUCTOR_TEST_SECRET kid=x;
        }
    }
}

CONF

$t->write_file_expand('nginx.conf', $conf);

my ($ok, $said) = nginx_t($t, $conf =~ s/env:\w+/env:CONDUCTOR_TEST_MISSING/r);
ok(!$ok && $said =~ /"env:CONDUCTOR_TEST_MISSING" in "conductor_jwt_key"/,
    'a variable that does not exist is refused');

$t->run();

my $token = jwt({ sub => 'ann' }, key => $ENV{CONDUCTOR_TEST_SECRET});
my $master = master($t);

###############################################################################

ok(ws_connect($t, '/', token => $token)->is_open(), 'the key is used');
is(hidden($t), '', 'no worker shows it in its environment');
SKIP: {
    skip 'only root reads the memory of a worker', 2 if $> != 0;
    skip 'sanitizers have a heap of their own', 2
        if `$Test::Nginx::NGINX -V 2>&1` =~ /-fsanitize/;

    my ($worker) = worker_pids($t);

    is(in_memory($worker, 'CONDUCTOR_TEST_SECRET=secret-of'), 0,
        'nor keeps the variable');
    is(in_memory($worker, 'CONDUCTOR_TEST_PASSED=passed-on'), 1,
        'unlike one that the configuration passes on');
}

reload_workers($t);

ok(ws_connect($t, '/', token => $token)->is_open(), 'a reload keeps it');
is(hidden($t), '', 'and hides it again');

my ($worker) = worker_pids($t);
kill 'KILL', $worker;
$t->todo_alerts(killed());
ok(wait_for(sub { my @now = worker_pids($t);
                  @now == workers() && !grep { $_ == $worker } @now }),
    'a worker that died is replaced');
ok(ws_connect($t, '/', token => $token)->is_open(), 'by one that knows it');
is(hidden($t), '', 'and hides it');

###############################################################################

# a new binary

for my $round (1, 2) {
    $master = master($t);
    kill 'USR2', $master;

    ok(wait_for(sub {
        (master($t) // $master) != $master
            && worker_pids($t) == workers();
    }, 15), "binary $round starts with it");

    kill 'QUIT', $master;
    ok(wait_gone([ $master ], 15), 'the old one goes');

    is(ws_connect($t, '/', token => $token)->status(), 101,
        'the new one knows the key');
    is(hidden($t), '', 'and hides it from its workers');
}

is(ws_connect($t, '/', token => jwt({ sub => 'ann' }, key => 'x' x 40))
    ->status(), 401, 'another key is refused to the end');
is($t->find_in_file('info.log', qr/secret-of-the-environment/), 0,
    'the secret is not in the log');

###############################################################################

sub master {
    my ($t) = @_;
    return ((eval { $t->read_file('nginx.pid') } // '') =~ /(\d+)/)[0];
}


# Which workers show the secret in /proc, and the keeper if there is one.
sub hidden {
    my ($t) = @_;
    my @shown;

    for my $pid (worker_pids($t), grep { defined } keeper_pid($t)) {
        open my $f, '<:raw', "/proc/$pid/environ" or next;
        local $/;
        push @shown, $pid if (<$f> // '') =~ /secret-of-the-environment/;
    }

    return "@shown";
}


# Whether the writable memory of a process holds a text.
sub in_memory {
    my ($pid, $text) = @_;
    no warnings 'portable';

    open my $maps, '<', "/proc/$pid/maps" or return undef;
    open my $mem, '<:raw', "/proc/$pid/mem" or return undef;

    while (my $line = <$maps>) {
        my ($from, $to) = $line =~ /^([0-9a-f]+)-([0-9a-f]+) rw.*(?:heap|stack)/
            or next;
        my $size = hex($to) - hex $from;

        sysseek $mem, hex $from, 0;
        my $data;
        sysread $mem, $data, $size;
        return 1 if defined $data && index($data, $text) >= 0;
    }

    return 0;
}
