#!/usr/bin/perl

# More is published than Redis can send to a server: Redis ends its connection
# for channels, and that alone is made anew.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
                           ->has_daemon('redis-server'))->plan(12);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 16m;
        state %%TESTDIR%%/state;
        redis redis://127.0.0.1:8379;
        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

my $redis = redis($t, conf => [
    'client-output-buffer-limit pubsub 4mb 4mb 1' ]);

$t->run();

ok(hub_is('connected', 10, $t) && listens(), 'a hub has its Redis');

my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');

my %before = of_hub();
my $reconnects = reconnects();

# One transaction is written to the connection as a whole.

my $client = $redis->client();
$client->do('MULTI');
$client->do('PUBLISH', 'c', '{"type":"e","x":"' . 'x' x 1048576 . '"}')
    for 1 .. 24;
$client->do('EXEC');

ok(wait_for(sub { my %now = of_hub(); grep { !exists $now{$_} } keys %before }),
   'what is more than it may hold ends a connection');
ok(listens(), 'which is made anew');
is(kept(), 2, 'the others stay');
is((health($t))[1]{redis}, 'connected', 'the hub is joined');
is(reconnects(), $reconnects, 'and was all the time');

is(line(), 1, 'that something may be missed is logged');

publish($t, { type => 'e', n => 1 });
is($ws->recv_until('e', 10)->{n}, 1, 'events go on');

$redis->publish('c', { type => 'e', n => 2 });
is($ws->recv_until('e', 10)->{n}, 2, 'those of programs, too');

for (1 .. 3) {
    my %old = of_hub();
    my ($id) = grep { $old{$_} } keys %old;

    $redis->do('CLIENT', 'KILL', 'ID', $id);
    wait_for(sub { my %now = of_hub(); !exists $now{$id} });
    listens();
}

is(line(), 1, 'once');

$redis->publish('c', { type => 'e', n => 3 });
is($ws->recv_until('e', 10)->{n}, 3, 'however often it is lost');

$redis->kill();
ok(hub_is('degraded', 10, $t), 'without Redis it is not made anew');


# The connections of the hub: by their ids, whether they are for channels.
sub of_hub {
    return map { $_->{id} => $_->{sub} > 0 ? 1 : 0 }
           grep { $_->{name} eq 'conductor:h' } $redis->connections();
}


# How many of the first ones are there still.
sub kept {
    my %now = of_hub();
    return scalar grep { exists $now{$_} } keys %before;
}


# Whether it comes to listen to its channel.
sub listens {
    return wait_for(sub { $redis->do('PUBSUB', 'NUMSUB', 'c')->[1] == 1 });
}


sub reconnects { (health($t))[1]{reconnects} }


sub line {
    return scalar(() = $t->read_file('error.log') =~ /may have missed/g);
}
