#!/usr/bin/perl

# QUIT, TERM, worker_shutdown_timeout, and the upgrade of the binary.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(29);

my $conf = conductor_conf(<<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

# timeout

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        history  events=1000 size=1m;
        drain    1s;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth        off;
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

# QUIT

$t->write_file_expand('nginx.conf', $conf);
$t->run();

my $many = clients($t);
my $master = master($t);
publish($t, { type => 'e', n => 1 });
kill 'QUIT', $master;
closed($many, qr/^retry=\d{1,5}\z/, 'QUIT');
ok(wait_gone([ $master ]), 'then nginx ends');
is(scalar(grep { ($many->messages($_, 'e'))[0]{n} == 1 } 0 .. 29), 30,
    'what was published before was delivered');
$t->stop();

# TERM

$t->run();
$many = clients($t);
$master = master($t);
publish($t, [ map { { type => 'e', n => $_ } } 1 .. 10 ]);
$many->wait_each(10, 'e');
kill 'TERM', $master;
closed($many, qr/^retry=\d{1,5}\z/, 'TERM');
ok(wait_gone([ $master ]), 'nginx ends at once');
$t->stop();

# worker_shutdown_timeout, with a drain time that is much longer

my $short = $conf =~ s/# timeout/worker_shutdown_timeout 300ms;/r;
$short =~ s/drain    1s/drain    5m/;
$t->write_file_expand('nginx.conf', $short);
$t->run();

$many = clients($t);
my @old = reload_workers($t);
closed($many, qr/^retry=\d{1,5}\z/, 'worker_shutdown_timeout');
ok(wait_gone(\@old), 'and ends the worker long before the drain time');
is((health($t))[1]{connections}, 0, 'nothing is left behind');
$t->stop();

# a new binary beside the old one, which only a daemon starts

$t->write_file_expand('nginx.conf', $conf =~ s/daemon off/daemon on/r);
eval { $t->run(); 1 } or $t->run();
wait_for(sub { worker_pids($t) == workers() });

$many = clients($t);
$master = master($t);
@old = worker_pids($t);

kill 'USR2', $master;
ok(wait_for(sub { -e $t->testdir() . '/nginx.pid.oldbin'
                  && -s $t->testdir() . '/nginx.pid'
                  && master($t) != $master }), 'a new binary starts');
ok(wait_for(sub { worker_pids($t) == workers() }), 'with workers of its own');
is($many->open_count(), 30, 'the old clients stay');

my $new = wait_for(sub {
    my $ws = ws_connect($t, '/');
    return $ws->is_open() && $ws;
});

kill 'QUIT', $master;
closed($many, qr/^retry=\d{1,5}\z/, 'the QUIT of the old binary');
ok(wait_gone([ $master, @old ]), 'which ends');

my $after = ws_connect($t, '/');
is($after->recv_until('welcome')->{type}, 'welcome',
    'clients connect to the new one');
is((publish($t, { type => 'e', n => 'new' }))[0], 200,
    'and events are published there');
is($after->recv_until('e')->{n}, 'new', 'and arrive');
is((health($t))[0], 200, 'it is well');



# Thirty clients, welcome.
sub clients {
    my ($nginx) = @_;
    my $clients = many_clients($nginx, 30);
    $clients->wait_each(1, 'welcome') or die "no welcome\n";
    return $clients;
}


sub master {
    my ($nginx) = @_;
    return ($nginx->read_file('nginx.pid') =~ /(\d+)/)[0];
}


# Four tests: all are closed with 1012 and such a reason, nothing is wrong.
sub closed {
    my ($clients, $reason, $name) = @_;

    ok($clients->run_until(sub {
        for my $ws ($clients->clients()) {
            $ws->send_frame(8, pack 'n', 1012)
                if $ws->{closed} && !$ws->{close_sent}++;
        }
        return !$clients->open_count();
    }), "$name closes all connections");

    my @closed = map { $_->{closed} || [ 1006, '' ] } $clients->clients();

    is(scalar(grep { $_->[0] == 1012 } @closed), 30, 'with 1012');
    is(scalar(grep { $_->[1] =~ $reason } @closed), 30,
        'and when to come back');
    is_deeply([ map { $_->faults() } $clients->clients() ], [],
        'and no fault');
}
