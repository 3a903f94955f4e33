#!/usr/bin/perl

# Passwords and the secret of a hub with Redis: the keeper has them, workers
# and logs do not, over reloads, crashes and a new binary.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my %hidden = (
    url => 'of-the-url-' . 'u' x 16,
    password => 'of-the-file-' . 'f' x 16,
    secret => 'of-the-hub-' . 's' x 32,
);

$ENV{CONDUCTOR_TEST_URL} = "unix://:$hidden{url}\@%%TESTDIR%%/one.sock";
$ENV{CONDUCTOR_TEST_SECRET} = $hidden{secret};

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
    ->has_daemon('redis-server'))->plan(18);

$ENV{CONDUCTOR_TEST_URL} =~ s/%%TESTDIR%%/$t->testdir()/e;

$t->write_file('password', "$hidden{password}\n");
$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

error_log %%TESTDIR%%/info.log info;

daemon on;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub one {
        zone    8m;
        history events=100 size=64k;
        state   one;
        redis   env:CONDUCTOR_TEST_URL secret=env:CONDUCTOR_TEST_SECRET
                outbox=64k;
    }

    conductor_hub two {
        zone    8m;
        history events=100 size=64k;
        state   two;
        redis   redis://127.0.0.1:8380 password=file:password outbox=64k;
    }

    server {
        listen 127.0.0.1:8080;

        location /one { conductor_health one; }
        location /two { conductor_health two; }
    }
}

EOF_CONF

my @redis = (
    redis($t, name => 'one', port => 8379, password => $hidden{url}),
    redis($t, name => 'two', port => 8380, password => $hidden{password}),
);

$t->run();
wait_for(sub { worker_pids($t) == workers() });

###############################################################################

connected($t, 'the keeper logs in');
SKIP: {
    skip 'only root reads the memory of another user', 2 if $> != 0;
    skip 'sanitizers have a heap of their own', 2
        if `$Test::Nginx::NGINX -V 2>&1` =~ /-fsanitize/;

    my $found = in_memory(keeper_pid($t), $hidden{password});
    is($found, 1, 'it has a password in its memory');
    is(found(worker_pids($t)), '', 'no worker has one');
}

reload_workers($t);
connected($t, 'so does the next one, after a reload');
nowhere($t, 'and its workers have none either');

my ($worker) = worker_pids($t);
kill 'KILL', $worker, keeper_pid($t);
$t->todo_alerts(killed());
ok(wait_for(sub { my @now = worker_pids($t);
                  @now == workers() && !grep { $_ == $worker } @now }),
    'a worker and the keeper that died are replaced');
connected($t, 'the new keeper logs in');
nowhere($t, 'the new worker has no password');

my $master = master($t);
kill 'USR2', $master;
ok(wait_for(sub { (master($t) // $master) != $master
                  && worker_pids($t) == workers() }, 15),
    'a new binary starts');
kill 'QUIT', $master;
ok(wait_gone([ $master ], 15), 'the old one goes');
connected($t, 'the new one still knows how to log in');
nowhere($t, 'and keeps it from its workers');

###############################################################################

# a password that is wrong

$redis[1]->do('CONFIG', 'SET', 'requirepass', 'another');
$redis[1]{password} = 'another';
$redis[1]->client()->do('CLIENT', 'KILL', 'TYPE', 'NORMAL');

my $h;
ok(wait_for(sub { ($h) = (health($t, path => '/two'))[1];
                  ($h->{redisError} // '') =~ /WRONGPASS/ }, 15),
    'a password that is no good any more is told of');
is($h->{redis}, 'degraded', 'the hub is alone');
is((health($t, path => '/one'))[1]{redis}, 'connected', 'the other is not');
$t->write_file('password', "another\n");
reload_workers($t);
connected($t, 'a reload reads it anew');

$t->stop();

# a debugging nginx logs the environment of the new binary, by itself

for my $file (qw/ info.log error.log /) {
    my $text = join '', grep { !/\[debug\].* env: / }
                        map { "$_\n" } split /\n/, $t->read_file($file);
    my @in = grep { index($text, $hidden{$_}) >= 0 } sort keys %hidden;

    is("@in", '', "$file has none of them");
}

###############################################################################

sub connected {
    my ($t, $name) = @_;

    ok(wait_for(sub {
        2 == grep { ((health($t, path => "/$_"))[1]{redis} // '')
                    eq 'connected' } qw/ one two /;
    }, 15), $name);
}


sub nowhere {
    my ($t, $name) = @_;

    SKIP: {
        skip 'only root reads the memory of another user', 1 if $> != 0;
        skip 'sanitizers have a heap of their own', 1
            if `$Test::Nginx::NGINX -V 2>&1` =~ /-fsanitize/;
        is(found(worker_pids($t)), '', $name);
    }
}


# What the processes have in their memory of what they should not.
sub found {
    my (@pids) = @_;

    return join ' ', map { my $pid = $_;
                           grep { in_memory($pid, $hidden{$_}) }
                           sort keys %hidden } @pids;
}


sub master {
    my ($t) = @_;
    return ((eval { $t->read_file('nginx.pid') } // '') =~ /(\d+)/)[0];
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
