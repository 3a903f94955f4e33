#!/usr/bin/perl

# The key of what is kept: no worker has it.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(11);

my $env = 'key-of-the-environment-' . 'e' x 16;
my $file = 'key-of-a-file-' . 'f' x 16;

$ENV{PRESENCE_KEY} = $env;
$t->write_file('key', "$file\n");

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub a {
        zone     2m;
        history  events=100 size=64k;
        drain    0;
        state    a;
        presence memory key=env:PRESENCE_KEY;
    }

    conductor_hub b {
        zone     2m;
        history  events=100 size=64k;
        drain    0;
        state    b;
        presence memory key=file:key;
    }

    server {
        listen 127.0.0.1:8080;

        location /health { conductor_health a; }
    }
}

EOF_CONF

$t->run();

ok(wait_for(sub { keeper_pid($t) && worker_pids($t) == workers() }),
   'there is a keeper');
is(in_memory(keeper_pid($t), $env), 1, 'it has the key of the environment');
is(in_memory(keeper_pid($t), $file), 1, 'and that of the file');
is(having($t, $env), '', 'no worker has the first');
is(having($t, $file), '', 'nor the second');

wait_gone([ reload_workers($t) ]);

is(having($t, $env), '', 'after a reload, too');
is(having($t, $file), '', 'of both');

my ($worker) = worker_pids($t);
kill 'KILL', $worker;
$t->todo_alerts(killed());
ok(wait_for(sub { my @now = worker_pids($t);
                  @now == workers() && !grep { $_ == $worker } @now }),
   'a worker that died is replaced');
is(having($t, $env) . having($t, $file), '', 'by one without a key');

open my $f, '<:raw', '/proc/' . keeper_pid($t) . '/environ' or die "$!\n";
my $environ = do { local $/; <$f> };
unlike($environ, qr/key-of/, 'the keeper does not show it');

ok(wait_for(sub { -s $t->testdir() . '/a/server' }), 'the state is kept');


# The workers that have a text in their memory.
sub having {
    my ($t, $text) = @_;
    return join ' ', grep { in_memory($_, $text, qr/heap|stack/) }
                     worker_pids($t);
}


# Whether the writable memory of a process, but what it shares, has a text.
# A sanitizer has terabytes of it, which are not looked at, and a copy of the
# environment: of workers only the heap and the stack are.
sub in_memory {
    my ($pid, $text, $where) = @_;
    no warnings 'portable';

    open my $maps, '<', "/proc/$pid/maps" or return undef;
    open my $mem, '<:raw', "/proc/$pid/mem" or return undef;

    while (my $line = <$maps>) {
        my ($from, $to) = $line =~ /^([0-9a-f]+)-([0-9a-f]+) rw-p/ or next;

        next if hex($to) - hex $from > 2 ** 27 || $where && $line !~ $where;

        sysseek $mem, hex $from, 0;
        sysread $mem, my $data, hex($to) - hex $from;
        return 1 if index($data // '', $text) >= 0;
    }

    return 0;
}
