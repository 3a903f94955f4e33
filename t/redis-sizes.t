#!/usr/bin/perl

# Whoever may write to Redis can make its content as large as he likes: nobody
# else's server has to hold it, or to stop for it.

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
        history events=1000 size=256k;
        state %%TESTDIR%%/state;
        presence %%TESTDIR%%/h.db;
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

my $redis = redis($t);
my $base = '{conductor:h}:';
my $n = 0;

$t->run();

ok(hub_is('connected', 10, $t), 'a hub has its Redis');

my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');

publish($t, { type => 'e', n => 0 });
$ws->recv_until('e');

my $keeper = keeper_pid($t);
my $before = memory();

# A server with more reviewers than there is room for.

$redis->do('EVAL', <<'EOF_LUA', 4,
    redis.call('ZADD', KEYS[1], redis.call('TIME')[1] * 1000 + 50000, '77')
    redis.call('HSET', KEYS[2], '77', 'many')
    redis.call('HSET', KEYS[3], '77', '5')
    for i = 1, 200000 do
        redis.call('HSET', KEYS[4], 'u' .. i, ARGV[1])
    end
    redis.call('HSET', KEYS[4], 'version', '5')
EOF_LUA
    (map { "$base$_" } qw/ servers names versions reviewers:77 /), 'x' x 100);

ok(wait_for(sub { $t->read_file('error.log') =~ /no room for all rev/ }, 15),
   'a server with 200,000 reviewers has too many');

SKIP: {
    skip 'sanitizers keep memory of their own', 1
        if $t->configured() =~ /-fsanitize/;

    cmp_ok(memory(), '<', $before + 16 * 1048576, 'which are not all read');
}

is((health($t))[1]{redis}, 'connected', 'the hub is joined');

# Entries whose indices say that others are missing.

add("x$_", i => 1000 * $_) for 1 .. 200;

my @seen;
push @seen, $ws->recv_until('e')->{n} for 1 .. 200;

is("@seen", join(' ', map { "x$_" } 1 .. 200), 'events with gaps come');
is(lines(qr/events of others are missing/), 1,
   'that they have some is logged once');

# An entry that no answer can hold.

add('large', y => 'y' x (70 * 1048576));
add('small');

is($ws->recv_until('e', 15)->{n}, 'small', 'one of 70 MB is passed over');
is(lines(qr/is larger than 64 MB/), 1, 'and logged');
ok(hub_is('connected', 10, $t), 'the hub is joined');

publish($t, { type => 'e', n => 'last' });
is($ws->recv_until('e')->{n}, 'last', 'and goes on');

cmp_ok((health($t, path => '/health?figures=1'))[1]{redisFigures}{rejected},
       '>', 0, 'what was not taken is counted');
is(keeper_pid($t), $keeper, 'by the same keeper');


# An entry of a server that there is not.
sub add {
    my ($name, %fields) = @_;
    my $time = int(time() * 1000);

    $redis->do('XADD', "${base}log", '*', 'o', '7.' . ++$n, 't', $time,
               'e', qq({"type":"e","n":"$name"}), %fields);
}


# How often the log says so.
sub lines { scalar(() = $t->read_file('error.log') =~ /$_[0]/g) }


# The most that the keeper ever had, in octets.
sub memory {
    open my $f, '<', "/proc/$keeper/status" or return 0;

    return 1024 * (join('', <$f>) =~ /^VmHWM:\s+(\d+)/m)[0];
}
