#!/usr/bin/perl

# Redis refuses what servers write, as a replica, for want of memory, or for the
# wrong password: they go on alone, say so, and nothing is lost or doubled.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Audit;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->has_daemon('redis-server')->plan(16);

my $redis = redis($t);
my @servers = servers($t, 2, hub_conf(<<'EOF_HUB'));

    zone     32m;
    name     server-%%N%%;
    state    %%TESTDIR%%/state;
    history  events=20000 size=6m;
    drain    200ms;
    redis    redis://127.0.0.1:8379 timeout=500ms;

    channel c { default on; }
    event e { channel c; publish_roles system; }

EOF_HUB

ok(hub_is('connected', 10, @servers), 'two servers are connected to Redis');

my $audit = Test::Conductor::Audit->new(\@servers, clients => 50);

ok($audit->come(), 'clients come to both');

for my $i (0 .. 1) {
    $audit->publisher($_, server => $i, count => 700, rate => 100)
        for qw/ http ws /;
}

$audit->more(100);

my $admin = $redis->client();

for my $fault (
    [ 'is read-only', qr/replica|READONLY/,
      sub { $admin->do('REPLICAOF', '127.0.0.1', port(8398)) },
      sub { $admin->do('REPLICAOF', 'NO', 'ONE') } ],
    [ 'is out of memory', qr/OOM/,
      sub { $admin->do('CONFIG', 'SET', 'maxmemory', 1) },
      sub { $admin->do('CONFIG', 'SET', 'maxmemory', 0) } ],
    [ 'has another password', qr/WRONGPASS|NOAUTH/,
      sub { $admin->do('CONFIG', 'SET', 'requirepass', 'other');
            $admin->do('CLIENT', 'KILL', 'TYPE', 'normal');
            $admin->do('CLIENT', 'KILL', 'TYPE', 'pubsub') },
      sub { $admin->do('CONFIG', 'SET', 'requirepass', '') } ])
{
    my ($what, $error, $begin, $end) = @$fault;

    $begin->();
    ok($audit->run_until(sub { hub_is('degraded', 0, @servers) }, 8),
       "servers know that Redis $what") or diag($audit->summary());
    ok($audit->run_until(sub {
        ((health($servers[0]))[1]{redisError} // '') =~ $error;
    }, 8), 'and say so') or diag((health($servers[0]))[1]{redisError});
    $audit->more(200);
    $end->();
    ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 15),
       'they are connected again when that is over')
        or diag($audit->summary());
    $audit->more(100);
}

$audit->cut(50);
ok($audit->settle(), 'all events come to all clients')
    or diag($audit->summary());
is_deeply($audit->verdict(faults => 1), {},
          'once each, and in the order of their publishers')
    or diag($audit->summary());

my $log = $servers[0]->read_file('error.log');
my $lines = () = $log =~ /\[(?:error|warn)\].*(?:READONLY|OOM)/g;
my @oom = $log =~ /\[error\].* goes on alone: (OOM .*)/g;

cmp_ok($lines, '<', 20, 'the log is not flooded');
is(scalar(@oom), 1, 'it has a reason once');
unlike("@oom", qr/script/, 'as Redis has it');
