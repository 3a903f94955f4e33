#!/usr/bin/perl

# Clients that come back after reloads and killed workers have every event
# once and in order, and the server has what it had before.

# Runs alone: it measures memory, while many clients come back.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib', '../bench';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Zone;
use Bench::Soak::Clients;

select STDERR; $| = 1;
select STDOUT; $| = 1;

use constant CLIENTS => 200;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /));

skip_all('the load client is not built: make build/bench/load')
    unless -x '../build/bench/load';

$t->plan(20);
$t->todo_alerts(killed());

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
    worker_connections 1024;
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     16m;
        history  events=20000 size=8m;
        drain    1s;

        channel c { default on; }
        event task-status-changed { channel c; }
    }

    conductor_limit_conn      off;
    conductor_limit_messages  off;

    server {
        listen 127.0.0.1:8080;

        location /ws {
            conductor          h;
            conductor_jwt_key  HS256 "the bench's own secret of enough bytes";
        }

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

$t->run();
wait_for(sub { worker_pids($t) == workers() });

my %before = measure($t);

my $clients = Bench::Soak::Clients->new({ port => port(8080) },
    clients => CLIENTS, publishers => 4);

ok(all_there($clients), 'clients connect');
$clients->command('rate 100');

for my $n (1 .. 3) {
    my @old = reload_workers($t);
    ok(wait_gone(\@old, 20), "after reload $n the old workers leave");
    ok(all_there($clients), 'and all clients are back');

    my ($worker) = worker_pids($t);
    kill 'KILL', $worker;
    wait_gone([ $worker ]);
    ok(wait_for(sub { worker_pids($t) == workers() }), 'a worker is killed');
    ok(all_there($clients), 'and all clients are back');
}

$clients->command('rate 0');

ok(wait_for(sub {
    my $now = $clients->command('stats');
    return $now->{posted} == $now->{accepted} && !$now->{behind};
}, 20), 'everything that was accepted arrives');

my $end = $clients->quit();

is(figures($end, qw/ lost doubled reordered /), 'lost 0 doubled 0 reordered 0',
    'every client has had every event once and in order');
is($end->{orders}, 1, 'all of them in the same order');
is(figures($end, qw/ unrecovered miscounted errors /),
    'unrecovered 0 miscounted 0 errors 0', 'and has been told how many');
cmp_ok($end->{replayed}, '>', 0, 'some of them while it was away');

my %after;

wait_for(sub {
    %after = measure($t);
    return !grep { $after{$_} ne $before{$_} } keys %before;
}, 20);

is_deeply(\%after, \%before, 'descriptors and the zone are as they were');

my $grown = (sort { $a <=> $b } map { private($_) } worker_pids($t))[-1];

SKIP: {
    skip('sanitizers keep memory of their own', 1)
        if $t->configured() =~ /-fsanitize/;

    cmp_ok($grown, '<', 16 << 20, 'and no worker has kept much memory');
}


sub all_there {
    my ($clients) = @_;

    return wait_for(sub {
        $clients->command('stats')->{open} == CLIENTS;
    }, 30);
}


sub figures {
    my ($stats, @names) = @_;
    return join ' ', map { "$_ $stats->{$_}" } @names;
}


# What does not depend on which worker has what.
sub measure {
    my ($t) = @_;
    my @workers = worker_pids($t);
    my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
    my ($health) = (health($t))[1];
    my %is = (master => fd_count($master), workers => 0);

    $is{workers} += fd_count($_) // 0 for @workers;
    $is{$_} = $health->{$_} for qw/ connections draining /;
    $is{slots} = $health->{workers};

    my $zone = Test::Conductor::Zone->new($workers[0]);

    $is{keys} = join ' ', map { unpack 'L<', $zone->get($_->[0] + 16, 4) }
        $zone->tables() if $zone;

    return %is;
}


sub private {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/smaps_rollup" or return 0;
    return do { local $/; <$f> } =~ /^Pss_Anon:\s+(\d+)/m ? $1 * 1024 : 0;
}
