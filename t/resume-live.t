#!/usr/bin/perl

# Clients drop and come back while events pour in: each event once, in order.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(19);

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

$t->run();

my $all = 4 * 600;

my $zero = ws_connect($t, '/')->recv_until('welcome')->{lastEventId};
my $steady = ws_connect($t, '/', read_along => 1);
$steady->recv_until('welcome');

$t->run_daemon(\&publisher, $t, $_, 600) for 1 .. 4;

my @clients = map { client($zero, $_ % 2 ? 'since' : 'hold') } 1 .. 8;
my ($rounds, $end) = (0, time() + 60);

while (grep { @{$_->{got}} < $all } @clients) {
    last if ++$rounds > 2000 || time() > $end;

    for my $c (@clients) {
        follow($c, 1 + int rand 60, $all)
            if @{$c->{got}} < $all && time() <= $end;
    }
}

my @live = map { $steady->recv_until(sub { defined $_->{eventId} })->{eventId} }
    1 .. $all;
my @reference = reference($zero);

is(scalar @reference, $all, 'there are thousands of events');
is("@live", "@reference", 'who stayed has them all, in order');

for my $i (0 .. $#clients) {
    my $c = $clients[$i];
    is("@{$c->{got}}" eq "@reference", 1,
        "client $i, which came back again and again, as well");
    is($c->{wrong}, 0, 'it was told so');
}

cmp_ok($rounds, '>', 10, 'and again');
