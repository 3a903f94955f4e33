#!/usr/bin/perl

# Redis is there and will not, or not yet, for one reason after the other: the
# hub says which, goes on alone, and Redis has all once it will again.

use warnings;
use strict;

use File::Path qw/ remove_tree /;
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
    ->has_daemon('redis-server'));

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
        redis   redis://127.0.0.1:8379 timeout=300ms outbox=128k;

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
my $admin = $redis->client();
my $busy;

# What happens; what ends it; and the reason that is given.

my @faults = (
    [ 'it is full',
      sub { $admin->do(qw/ CONFIG SET maxmemory 1 /) },
      sub { $admin->do(qw/ CONFIG SET maxmemory 0 /) },
      qr/^OOM command not allowed [^:]+\.$/ ],
    [ 'it cannot save',
      sub { remove_tree($t->testdir() . '/redis.d');
            $admin->do(qw/ CONFIG SET save /, '3600 1');
            $admin->do('BGSAVE');
            wait_for(sub {
                $redis->info('rdb_last_bgsave_status') eq 'err';
            }) or die "it can\n" },
      sub { $admin->do(qw/ CONFIG SET save /, '') },
      qr/^(?:\S+:\d+: )?MISCONF / ],
    [ 'it has too few replicas',
      sub { $admin->do(qw/ CONFIG SET min-replicas-to-write 1 /) },
      sub { $admin->do(qw/ CONFIG SET min-replicas-to-write 0 /) },
      qr/^NOREPLICAS / ],
    [ 'a script holds it up',
      sub { $admin->do(qw/ CONFIG SET lua-time-limit 100 /);
            $busy = $redis->client()
                ->send('EVAL', 'while true do end', 0) },
      sub { wait_for(sub { eval { $admin->do(qw/ SCRIPT KILL /) } }) },
      qr/^(?:\S+:\d+: )?BUSY / ],
    [ 'it is slow',
      sub { $busy = $redis->client()->send(qw/ DEBUG SLEEP 2 /) },
      sub { $busy->next() },
      qr/^Redis did not answer in time$/ ],
    [ 'it is a replica',
      sub { $admin->do('REPLICAOF', '127.0.0.1', port(8398)) },
      sub { $admin->do(qw/ REPLICAOF NO ONE /) },
      qr/^\S+:\d+: it is a replica$/ ],
    [ 'the rights are gone',
      sub { $admin->do(qw/ ACL SETUSER default -evalsha -eval /) },
      sub { $admin->do(qw/ ACL SETUSER default +@all /) },
      qr/^NOPERM / ],
    [ 'the password is another one',
      sub { $admin->do(qw/ CONFIG SET requirepass other /);
            $admin->do(qw/ CLIENT KILL TYPE /, $_) for qw/ normal pubsub /;
            $redis->{password} = 'other' },
      sub { $redis->client()->do(qw/ CONFIG SET requirepass /, '') },
      qr/^\S+:\d+: NOAUTH / ],
);

$t->plan(4 * @faults + 4);
$t->run();

ok(hub_is('connected', 10, $t), 'the hub is connected');

my $ws = ws_connect($t, '/');
my $n = 0;

$ws->recv_until('welcome');

for my $fault (@faults) {
    my ($what, $begin, $end, $reason) = @$fault;
    my $said = '';

    $begin->();

    is((publish($t, { type => 'e', n => ++$n }))[0], 200,
       "$what: an event is accepted");
    is(($ws->recv_until('e') // {})->{n}, $n, 'and delivered');
    ok(wait_for(sub {
        ($said = (health($t))[1]{redisError} // '') =~ $reason;
    }), 'and the reason is given') or diag($said);

    $end->();

    ok(wait_for(sub {
        my $h = (health($t))[1];
        $h->{redis} eq 'connected' && $h->{outbox}{events} == 0;
    }, 15), 'when that is over the hub is connected');
}

delete $redis->{password};
is($redis->client()->do('XLEN', '{conductor:h}:log'), $n,
   'Redis has all of them, once');
is(scalar(grep { /"type":"e"/ } @{$ws->sync()}), 0, 'nobody gets one again');
unlike($t->read_file('error.log'), qr/ script: |user_script/,
       'and no reason is about the script of a server');
