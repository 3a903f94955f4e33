#!/usr/bin/perl

# The master of Redis fails and Sentinel makes another one, while events come.

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Audit;
use Test::Conductor::Redis;
use Test::Conductor::Redis::Many;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->has_daemon('redis-server')->plan(8);

my $conf = hub_conf(<<'EOF_HUB');

    zone     32m;
    name     server-%%N%%;
    state    %%TESTDIR%%/state;
    history  events=20000 size=6m;
    drain    200ms;
    redis    redis://127.0.0.1:8390 sentinel=mymaster timeout=500ms;

    channel c { default on; }
    event e { channel c; publish_roles system; }

EOF_HUB

my $first = redis($t, name => 'first', port => 8380);
my $second = redis($t, name => 'second', port => 8381,
    conf => [ "replicaof 127.0.0.1 " . $first->port() ]);

wait_for(sub { ($second->info('master_link_status') // '') eq 'up' });

my $sentinel = redis_sentinel($t, $first);

wait_for(sub { @{$sentinel->do('SENTINEL', 'REPLICAS', 'mymaster')} == 1 },
         15);

my @servers = servers($t, 2, $conf);

ok(hub_is('connected', 10, @servers), 'two servers find the master');
isnt($first->info('connected_clients'), 0, 'which is the first one');

my $audit = Test::Conductor::Audit->new(\@servers, clients => 100);

ok($audit->come(), 'clients come to both');

for my $i (0 .. 1) {
    $audit->publisher($_, server => $i, count => 400, rate => 100)
        for qw/ http ws /;
}

$audit->more(200);

# what it had not passed on yet, the next one never had

my $emptied = time * 1000;

$first->kill();

ok($audit->run_until(sub { $second->info('role') eq 'master' }, 15),
   'another one becomes the master');
ok($audit->run_until(sub { hub_is('connected', 0, @servers) }, 15),
   'and the servers find it') or diag($audit->summary());

$audit->more(100);
$audit->cut(50);

ok($audit->settle(), 'all events come to all clients')
    or diag($audit->summary());
is_deeply($audit->verdict(faults => 1, emptied => [$emptied]), {},
          'once each, and in the order of their publishers')
    or diag($audit->summary());
cmp_ok($second->do('XLEN', '{conductor:h}:log'), '>', 0,
       'from the new master');
