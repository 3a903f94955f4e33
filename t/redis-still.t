#!/usr/bin/perl

# Redis stands still for some seconds, as it does for a slow command or on a
# machine that is paused: nobody is taken for gone.

use warnings;
use strict;

use JSON::PP qw/ decode_json /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /)
    ->has_daemon('redis-server'))->plan(7);

my $redis = redis($t);

my ($a, $b) = servers($t, 2, <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      16m;
        name      node-%%N%%;
        state     %%TESTDIR%%/state;
        history   events=1000 size=256k;
        presence  memory ttl=1m leave=0s tick=10ms;
        redis     redis://127.0.0.1:8379 timeout=500ms;
    }

    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor           h;
            conductor_identity  user=$arg_user;
        }

        location /presence { conductor_presence h; }
        location /health   { conductor_health h; }
    }
}

EOF_CONF

ok(hub_is('connected', undef, $a, $b), 'two servers are joined by Redis');

my @clients = (ws_connect($a, '/?user=ann'), ws_connect($b, '/?user=bob'));

ok(wait_for(sub { there($a) eq 'ann bob' && there($b) eq 'ann bob' }),
    'both are there');

# for how long is what matters: about as long as it takes to miss a server

for my $seconds (2.5, 3.3) {
    beats();
    $redis->hang();
    select undef, undef, undef, $seconds;
    $redis->go_on();
    beats();
    is(join(' ', map { left($_) } @clients), '',
        "nobody has left when it stood still for $seconds seconds");
}

$redis->hang();
ok(wait_for(sub { there($a) eq 'ann bob!' && there($b) eq 'ann! bob' }, 20),
    'when it stands still for long, others are as last known');
$redis->go_on();
ok(wait_for(sub { there($a) eq 'ann bob' && there($b) eq 'ann bob' }, 20),
    'and are there when it goes on');
is(join(' ', map { left($_) } @clients), '', 'all the time');


# Who is there, "!" with those who are stale.
sub there {
    my ($s) = @_;
    return join ' ', sort map { $_->{userId} . ($_->{stale} ? '!' : '') }
                     @{(api($s, 'GET', '/presence'))[1]{reviewers} // []};
}


# Waits until both have given some more signs of life.
sub beats {
    my @key = '{conductor:h}:servers';
    my $last = $redis->do('ZREVRANGE', @key, 0, 0, 'WITHSCORES')->[1];

    wait_for(sub { $redis->do('ZCOUNT', @key, $last + 1500, '+inf') == 2 });
}


# Who has left, as a client was told since.
sub left {
    my ($ws) = @_;

    return map { $_->{userId} }
           grep { $_->{type} eq 'presence-update'
                  && $_->{status} eq 'offline' }
           map { decode_json($_) } @{$ws->sync()};
}
