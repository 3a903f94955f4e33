#!/usr/bin/perl

# Clients that come back leave nothing behind.

# Runs alone: it measures memory.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /));

plan(skip_all => 'sanitizers keep memory of their own')
    if $t->configured() =~ /-fsanitize/;

$t->plan(5);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
    worker_connections 2048;
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     16m;
        history  events=2000 size=4m;

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
        location /health   { conductor_health h; }
    }
}

EOF_CONF

$t->run();
wait_for(sub { worker_pids($t) == workers() });

my $zero = ws_connect($t, '/')->recv_until('welcome')->{lastEventId};

publish($t, [ map { { type => $_ % 2 ? 'e' : 'f', n => $_, s => 'x' x 900 } }
    1 .. 200 ]);

# what the process takes for its work once and for all

come_back($t, 100) for 1 .. 3;

my $before = idle($t, 1 << 30);
cmp_ok($before, '<', 1 << 30, 'some come back, and go');

# a replay that stays costs more than 200 octets, each time; a worker that got
# more of them at once than ever before grows once

my ($came, $rounds, $limit, $after) = (0, 0);

while ($rounds < 4) {
    $rounds++;
    $came += grep { come_back($t, 100) } 1 .. 15;
    $limit = $before + 200_000;
    $after = idle($t, $limit);
    note($after - $before, ' octets');

    last if $after < $limit;
    $before = $after;
}

is($came, 15 * $rounds, 'then many others');
cmp_ok($after, '<', $limit, 'memory is what it was');

is((health($t))[1]{connections}, 0, 'nobody is there');

my $resumes = (api($t, 'GET', '/health?figures=1'))[1]{figures}{resumes};
cmp_ok($resumes->{recovered}, '>=', 1500, 'and all had got what they missed');


# So many clients, half of which resume with the handshake, half with a
# command, and some more that do not read.  Whether the others got all.
sub come_back {
    my ($nginx, $count) = @_;
    my $many = many_clients($nginx, $count, path => sub {
        $_[0] % 2 ? "/?since=$zero" : '/?hold=1' });
    my @slow = map { ws_connect($nginx, "/?since=$zero", rcvbuf => 4096) }
        1 .. 5;
    my @clients = $many->clients();

    $clients[$_]->send_json({ type => 'resume', since => $zero,
        subscriptions => [ { channel => 'c',
                             filter => { n => [ 1 .. 9 ] } } ] })
        for grep { !($_ % 2) } 0 .. $#clients;

    my $all = $many->run_until(sub {
        !grep { (($many->got($_))[-1] // '') !~ /"resumed"/ } 0 .. $#clients });

    $_->drop() for @clients, @slow;

    return $all;
}


# The memory of all workers when nobody is there, and what was prepared for
# those who were is given back: it comes below this, or the last value.
sub idle {
    my ($nginx, $below) = @_;
    my $sum;

    wait_for(sub { (health($nginx))[1]{connections} == 0 });

    my $last = 0;

    wait_for(sub {
        $sum = 0;
        $sum += private_memory($_) for worker_pids($nginx);

        my $steady = $sum == $last;

        $last = $sum;
        return $steady && $sum < $below;
    }, 5);

    return $sum;
}
