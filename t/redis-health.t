#!/usr/bin/perl

# What /health says of Redis: whether it orders, since when, why not, how many
# servers there are, and what waits.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;

use Time::HiRes qw/ time /;
use Time::Local qw/ timegm /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
    ->has_daemon('redis-server'))->plan(27);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    8m;
        history events=1000 size=256k;
        state   state;
        redis   redis://127.0.0.1:8379 timeout=100ms outbox=128k;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_hub alone { zone 4m; history events=100 size=64k; }

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
        location /alone   { conductor_health alone; }
    }
}

EOF_CONF

my $redis = redis($t, start => 0);

$t->run();

###############################################################################

# Redis is not there yet

my $h = said($t, 'degraded', qr/refused/);
ok($h, 'a hub whose Redis is not there is degraded, and says why');
is($h->{status}, 'degraded', 'so is its status');
is($h->{servers}, 1, 'it is the only server that it knows');
is_deeply([ @{$h->{outbox}}{qw/ events bytes /} ], [ 0, 0 ],
    'nothing waits');
is($h->{outbox}{size}, 131072, 'there is room for what will');
is((health($t, probe => $_))[0], 200, "it is $_") for qw/ ready live /;

ok(wait_for(sub { (publish($t, { type => 'e' }))[0] == 200 }),
    'an event is accepted');
$h = (health($t))[1];
is($h->{outbox}{events}, 1, 'it waits for Redis');
cmp_ok($h->{outbox}{bytes}, '>', 0, 'and takes room');

# it comes

my $before = time();
$redis->start();
$h = said($t, 'connected');
ok($h, 'once it is there, the hub is connected');
is($h->{status}, 'ok', 'and is well');
ok(!exists $h->{redisError}, 'there is no reason any more');
cmp_ok(abs(unix($h->{redisSince}) - $before), '<', 30, 'and says since when');
ok(wait_for(sub { (health($t))[1]{outbox}{events} == 0 }),
    'nothing waits any more');
is($redis->do('XLEN', '{conductor:h}:log'), 1, 'Redis has the event');

# figures

is((publish($t, { type => 'e' }))[0], 200, 'another one is accepted');
my $figures = (api($t, 'GET', '/health?figures=1'))[1]{redisFigures};
like(delete $figures->{lagUs}, qr{^\d+$}, 'it has figures');
cmp_ok(delete $figures->{reconnects}, '<', 10, 'which count');
is_deeply($figures, { dropped => 0, rejected => 0 }, 'what may go wrong');
ok(!exists +(health($t))[1]{redisFigures}, 'for those who ask for them');

# it goes

my $log = length $t->read_file('error.log');

$redis->kill();
ok(said($t, 'degraded'), 'when it is gone the hub is degraded');
ok(said($t, 'degraded', qr/^127\.0\.0\.1:\d+: /), 'and says where and why');
unlike(substr($t->read_file('error.log'), $log),
    qr/alone: Redis cannot be reached/, 'in the log, too');

# it wants a password

$redis->start();
ok(said($t, 'connected'), 'the hub comes back to it');
$redis->do('CONFIG', 'SET', 'requirepass', 'x');
$redis->{password} = 'x';
$redis->client()->do('CLIENT', 'KILL', 'TYPE', 'NORMAL');
ok(said($t, 'degraded', qr/NOAUTH/), 'what Redis says is the reason');

# without any

$h = (api($t, 'GET', '/alone?figures=1'))[1];
is(join(' ', grep { /^redis|^servers|^outbox/ } sort keys %$h), 'redis',
    'a hub without it says nothing of it');

###############################################################################

# What it says, once it says that, and gives that reason.
sub said {
    my ($t, $redis, $why) = @_;
    my $h;

    return wait_for(sub {
        $h = (health($t))[1];
        $h->{redis} eq $redis
            && (!$why || ($h->{redisError} // '') =~ $why);
    }, 15) ? $h : undef;
}


sub unix {
    my ($y, $mo, $d, $h, $m, $s) = $_[0]
        =~ /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.\d{3}Z$/ or return 0;

    return timegm($s, $m, $h, $d, $mo - 1, $y);
}
