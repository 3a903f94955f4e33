#!/usr/bin/perl

# Where connections or descriptors are used up, handshakes fail cleanly and
# come back; and a hub runs in a single process.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(18)
    ->todo_alerts(qr/worker_connections are not enough/);

# No connection is left in the worker.

start($t, 'worker_processes 1;', 'worker_connections 40;');

my @all = grown($t, 60);
my $open = grep { $_->is_open() } @all;

cmp_ok($open, '>', 25, "$open clients take all connections of a worker");
cmp_ok($open, '<', 40, 'and are no more than it has');
is(scalar(grep { $_->is_open() && !$_->recv_until('welcome') } @all), 0,
   'who is in is welcome');
ok($t->find_in_file('error.log', qr/40 worker_connections are not enough/),
   'nginx says so');

$_->reset() for @all;
ok(recovered($t), 'when they leave, others come in');
is((publish($t, { type => 'e' }))[0], 200, 'and an event is accepted');
$t->stop();

# No descriptor is left in it.

start($t, 'worker_processes 1; worker_rlimit_nofile 320;',
      'worker_connections 512;');

@all = grown($t, 80);
$open = grep { $_->is_open() } @all;

cmp_ok($open, '>', 10, "$open clients take all descriptors of a worker");
cmp_ok($open, '<', 70, 'and are no more than it may have');
ok($t->find_in_file('error.log', qr/accept4\(\) failed.*Too many open files/),
   'nginx says so');

$_->reset() for @all;
ok(recovered($t), 'when they leave, others come in');
is((publish($t, { type => 'e' }))[0], 200, 'and an event is accepted');
$t->stop();

# All in one process.

start($t, 'master_process off;', '');

my $ws = ws_connect($t, '/');
ok($ws->recv_until('welcome'), 'a client connects to a single process');
publish($t, { type => 'e', n => 1 });
is(($ws->recv_until('e') // {})->{n}, 1, 'an event comes');

my $echo = ws_connect($t, '/echo', rcvbuf => 4096, read_along => 0);
$echo->send_frame(2, 'x' x 500000);
ok($echo->recv_data() eq 'x' x 500000, 'a large message comes back');
is_deeply([ $echo->close(1000) ], [ 1000, '', 1 ], 'a close');

$ws->drop();
ok(recovered($t), 'and all is given back');

is(scalar(() = $t->read_file('error.log') =~ /\[emerg\]/g), 0,
   'none of it was an emergency');
is(scalar(() = $t->read_file('error.log') =~ /zone of hub.*repairing/g), 0,
   'nor left the zone broken');


# Starts nginx anew.
sub start {
    my ($t, $main, $events) = @_;

    unlink $t->testdir() . '/nginx.pid';

    $t->write_file_expand('nginx.conf', <<"EOF_CONF");

%%TEST_GLOBALS%%

daemon off;
$main

events {
    $events
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    32m;
        drain   100ms;
        channel c { default on; }
        event   e { channel c; }
    }

    conductor_auth        off;
    conductor_limit_conn  off;
    conductor_max_message 1m;
    conductor_max_queue   8m;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /echo    { conductor h; conductor_protocol echo; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

    $t->run();
}


# Clients until one has no answer; some more that wait.
sub grown {
    my ($t, $n) = @_;
    my @all;

    for (1 .. $n) {
        push @all, ws_connect($t, '/', timeout => 1);
        last unless $all[-1]->is_open();
    }

    return @all, map { ws_connect($t, '/', wait => 0) } 1 .. 5;
}


# Whether a client comes in and no other is left.
sub recovered {
    my ($t) = @_;

    return wait_for(sub {
        my $ws = ws_connect($t, '/', timeout => 2);
        return $ws->recv_until('welcome')
               && ((health($t))[1] // {})->{connections} == 1;
    });
}
