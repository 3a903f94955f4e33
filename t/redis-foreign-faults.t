#!/usr/bin/perl

# What others publish in Redis while something fails: whatever a server has
# heard comes to all clients, once.

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
                           ->has_daemon('redis-server'))->plan(18);

$t->todo_alerts(killed());

my $redis = redis($t);

my @servers = servers($t, 3, <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 16m;
        name node-%%N%%;
        state %%TESTDIR%%/state;
        history events=2000 size=256k;
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

ok(hub_is('connected', undef, @servers), 'three servers are one hub');
ok(heard_by(3), 'and listen');

my @ws = map { ws_connect($_, '/') } @servers;
$_->recv_until('welcome') for @ws;

my ($n, @said) = (0);

# All is well.

say_some(100);
is_all('what is published comes to all clients once, in its order');

# A keeper dies: the others have heard it all.

say_some(50);
kill 'KILL', keeper_pid($servers[1]);
say_some(100);
ok(heard_by(3), 'a keeper dies, and is there again');
say_some(50);
is_all('all has come, once');

# All connections are lost at once: whatever was heard is not.

say_some(50);
$redis->do('CLIENT', 'KILL', 'TYPE', 'pubsub');
say_some(50);
ok(heard_by(3), 'connections are lost, and made again');
say_some(50);
is_all('what was heard has come, once');

# With the other ones, what is on its way to a server may be lost with them.

my %old = map { $_ => 1 } listeners();
$redis->do('CLIENT', 'KILL', 'TYPE', 'normal');
ok(wait_for(sub { 3 == grep { !$old{$_} } listeners() }),
    'other connections are lost, and all are made again');
say_some(50);
is_all('what is published then comes, once');

# Redis has no memory for it.

$redis->do('CONFIG', 'SET', 'maxmemory', 1);
say_some(5);
$redis->do('CONFIG', 'SET', 'maxmemory', 0);
is_all('what Redis could not keep at once comes when it can');

# Equal texts, with a server that has heard less of them.

$redis->publish('c', '{"type":"e","n":-1}') for 1 .. 5;
%old = map { $_ => 1 } listeners();
kill 'KILL', keeper_pid($servers[2]);
$redis->publish('c', '{"type":"e","n":-1}') for 1 .. 5;
ok(wait_for(sub {
    heard() == 3 && 2 == grep { $old{$_} } listeners();
}), 'a keeper dies, and is there again');
$redis->publish('c', '{"type":"e","n":-1}') for 1 .. 5;
push @said, (-1) x 15;
is_all('equal ones come as often as they were published');

# the end of the servers is judged now, not when all is destroyed

@servers = ();
undef $redis;
undef $t;

###############################################################################

# Publishes some; those that somebody has heard are to come.
sub say_some {
    my ($some) = @_;

    for (1 .. $some) {
        $n++;
        push @said, $n if $redis->publish('c', qq({"type":"e","n":$n}));
    }
}


# The servers' connections that hear, by number.
sub listeners {
    return $redis->do('CLIENT', 'LIST', 'TYPE', 'pubsub') =~ /^id=(\d+)/mg;
}


sub heard { return $redis->do('PUBSUB', 'NUMSUB', 'c')->[1] }


sub heard_by {
    my ($n) = @_;
    return wait_for(sub { heard() == $n });
}


# Two tests: all clients got what was said and nothing else, in one order.
sub is_all {
    my ($name) = @_;
    my @got = map { [] } @ws;

    for my $i (0 .. $#ws) {
        while (@{$got[$i]} < @said) {
            push @{$got[$i]}, ($ws[$i]->recv_until('e') // last)->{n};
        }
    }

    publish($servers[0], { type => 'e', n => 0 });
    push @{$got[$_]}, ($ws[$_]->recv_until('e') // {})->{n} for 0 .. $#ws;

    # what had to be repeated comes behind what was published after it

    my @is = sort { $a <=> $b } map { $_ // 'nothing' } @{$got[0]};
    my @want = sort { $a <=> $b } @said, 0;

    is("@is", "@want", $name);
    is_deeply([ @got[1 .. $#ws] ], [ ($got[0]) x $#ws ], 'in one order');
    @said = ();
}
