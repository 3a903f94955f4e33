#!/usr/bin/perl

# Clients come back over crashes of workers and reloads: each event once, in order.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Resume;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(11);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     16m;
        history  events=20000 size=8m;
        drain    200ms;

        channel c { default on; }
        channel d { default on; }
        event e { channel c; }
        event f { channel d; }
    }

    conductor_auth            off;
    conductor_limit_conn      off;
    conductor_limit_messages  off;

    server {
        listen 127.0.0.1:8080;

        location /         { conductor h; }
        location /publish  { conductor_publish h; }
    }
}

EOF_CONF

$t->todo_alerts(killed());
$t->run();

my $all = 2 * 600;

my $zero = ws_connect($t, '/')->recv_until('welcome')->{lastEventId};

$t->run_daemon(\&publisher, $t, $_, 600) for 1 .. 2;

my @clients = map { client($zero, $_ % 2 ? 'since' : 'hold') } 1 .. 4;
my ($rounds, $killed, $reloads, $end) = (0, 0, 0, time() + 60);

while (grep { @{$_->{got}} < $all } @clients) {
    last if ++$rounds > 2000 || time() > $end;

    if ($rounds % 12 == 4 && $killed < 4) {
        my ($pid) = worker_pids($t);
        kill 'KILL', $pid and $killed++ if $pid;

    } elsif ($rounds % 12 == 10 && $reloads < 4) {
        $t->reload();
        $reloads++;
    }

    for my $c (@clients) {
        follow($c, 1 + int rand 40, $all)
            if @{$c->{got}} < $all && time() <= $end;
    }
}

my @reference = reference($zero);

is(scalar @reference, $all, 'there are more than a thousand events');

for my $i (0 .. $#clients) {
    my $c = $clients[$i];
    is("@{$c->{got}}" eq "@reference", 1, "client $i has them all, in order");
    is($c->{wrong}, 0, 'it was told so');
}

is($killed, 4, 'workers were killed');
is($reloads, 4, 'and replaced');
