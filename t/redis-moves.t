#!/usr/bin/perl

# A hub whose Redis is elsewhere from one moment to the next: the slot of a
# Cluster goes to another node, Sentinel makes another server the master.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Redis::Many;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
                           ->has_daemon('redis-server'))->plan(15);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub slots {
        zone 16m;
        state %%TESTDIR%%/slots;
        redis redis://127.0.0.1:8409,127.0.0.1:8400 cluster=on;
        channel c { default on; }
        event e { channel c; require n; }
    }

    conductor_hub watched {
        zone 16m;
        state %%TESTDIR%%/watched;
        redis redis://127.0.0.1:8390 sentinel=mymaster;
        channel c { default on; }
        event e { channel c; require n; }
    }

    server {
        listen 127.0.0.1:8080;

        location /slots/          { conductor slots; conductor_auth off; }
        location /slots/publish   { conductor_publish slots; }
        location /slots/health    { conductor_health slots; }
        location /watched/        { conductor watched; conductor_auth off; }
        location /watched/publish { conductor_publish watched; }
        location /watched/health  { conductor_health watched; }
    }
}

EOF_CONF

my $cluster = redis_cluster($t, 2);
my $slot = $cluster->slot('{conductor:slots}:log');

my $first = redis($t, name => 'first', port => 8380);
my $second = redis($t, name => 'second', port => 8381,
    conf => [ 'replicaof 127.0.0.1 ' . $first->port() ]);
my $sentinel = redis_sentinel($t, $first);

wait_for(sub {
    @{$sentinel->do('SENTINEL', 'REPLICAS', 'mymaster')} == 1
        && ($second->info('master_link_status') // '') eq 'up'
}, 15) or die "nobody follows the master\n";

$t->run();

# Cluster

ok(stands('slots', 'connected'), 'a hub finds the node that has its slot');

my $ws = ws_connect($t, '/slots/');
$ws->recv_until('welcome');

is(said('slots', 1), 200, 'what is published there');
is($ws->recv_until('e')->{n}, 1, 'comes');

my $from = $cluster->owner($slot);
my ($to) = grep { $_ != $from } $cluster->nodes();

$cluster->move($slot, $to);

ok(wait_for(sub { of_hub($to, 'slots') >= 3 && of_hub($from, 'slots') == 0 }),
   'it follows the slot to another node');
ok(stands('slots', 'connected'), 'and is connected');
is(said('slots', 2), 200, 'what is published now');
is($ws->recv_until('e')->{n}, 2, 'comes, too');
is($to->do('EXISTS', '{conductor:slots}:log'), 1, 'by way of that node');

# Sentinel

ok(stands('watched', 'connected'), 'a hub finds the master');

$ws = ws_connect($t, '/watched/');
$ws->recv_until('welcome');

$first->kill();

ok(wait_for(sub { of_hub($second, 'watched') >= 3 }, 20),
   'when the master is gone it finds the next one');
ok(stands('watched', 'connected'), 'and is connected');
is(said('watched', 3), 200, 'what is published now');
is($ws->recv_until('e')->{n}, 3, 'comes');
unlike($t->read_file('error.log'), qr/exited on signal/,
       'no keeper has crashed');
is_deeply([ $ws->faults() ], [], 'and no message was wrong');


# Whether a hub comes to stand so to its Redis.
sub stands {
    my ($hub, $state) = @_;

    return wait_for(sub {
        (health($t, path => "/$hub/health"))[1]{redis} eq $state
    }, 15);
}


# The status of a publication.
sub said {
    my ($hub, $n) = @_;

    return (publish($t, { type => 'e', n => $n },
                    path => "/$hub/publish"))[0];
}


# How many connections of a hub a server has.
sub of_hub {
    my ($redis, $hub) = @_;

    # one that becomes the master ends its connections

    return scalar grep { $_->{name} eq "conductor:$hub" }
        eval { $redis->connections() };
}
