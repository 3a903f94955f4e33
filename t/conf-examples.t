#!/usr/bin/perl

# The examples of TLS to Redis, of Sentinel and of a Cluster, with what they
# are for: certificates, users and passwords, fail-overs, a slot that moves.

use warnings;
use strict;

use File::Copy qw/ copy /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Example;
use Test::Conductor::Redis;
use Test::Conductor::Redis::Many;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->has_daemon('redis-server')->plan(21);

my $key = $ENV{JWT_SECRET} = 'a secret of at least thirty-two bytes';
$ENV{REDIS_PASSWORD} = 'of-redis';
$ENV{SENTINEL_PASSWORD} = 'of-sentinel';
$ENV{HUB_SECRET} = 'another secret of thirty-two bytes';

my %token = map { $_ => jwt({ sub => $_, role => $_ }, key => $key) }
                qw/ system reviewer /;
my @soon = ('repl-diskless-sync-delay 0');
my $n = 0;

# TLS: the user of the comment on top, and a certificate of the client.

my $certs = redis_certificates($t);
my $secure = redis($t, tls => $certs);
my $text = example_conf($t, 'redis-tls.conf',
    'redis.example.com:6380' => '127.0.0.1:8379',
    'listen  5111;' => 'listen 127.0.0.1:8080;');

my %file = (ca => 'redis-ca.pem', client_cert => 'redis-client.pem',
            client_key => 'redis-client.key');

copy($certs->{$_}, $t->testdir() . "/$file{$_}") or die "$_: $!\n"
    for keys %file;

my ($acl) = $text =~ /^# +(ACL SETUSER conductor (?:.*\n)(?:#  .*\n)*)/m
    or die "no user in the example\n";

$acl =~ s/\n#? */ /g;
$acl =~ s/PASSWORD/$ENV{REDIS_PASSWORD}/;
$secure->do(split / +/, $acl);

$t->run();
ok(goes($t), 'over TLS, as that user, events come');
is_deeply([ map { $_->{user} } of_hub($secure) ], [ ('conductor') x 3 ],
          'and as nobody else');

my ($entry) = @{$secure->do('XRANGE', '{conductor:reviews}:log', '-', '+')};

is({ @{$entry->[1]} }->{m} =~ tr/A-Za-z0-9_-//, 43, 'what is written is signed');

# Sentinel: three of them, and a replica that takes over.

my $first = redis($t, name => 'first', port => 8380, password => 'of-redis',
                  conf => [ 'masterauth of-redis', @soon ]);
my $second = redis($t, name => 'second', port => 8381, password => 'of-redis',
    conf => [ 'masterauth of-redis', 'replicaof 127.0.0.1 ' . $first->port() ]);

my @sentinel = map { redis_sentinel($t, $first, name => "sentinel$_",
    port => 8389 + $_, quorum => 2, password => 'of-sentinel',
    conf => [ 'sentinel auth-pass mymaster of-redis',
              'sentinel sentinel-pass of-sentinel' ]) } 1 .. 3;

ok(wait_for(sub { ($second->info('master_link_status') // '') eq 'up' }, 15),
   'a replica follows the master');
ok(wait_for(sub { !grep { !knows($_) } @sentinel }, 15),
   'three Sentinels know of it and of each other');

my $watched = $t->another();

$watched->{number} = 8081;
example_conf($watched, 'redis-sentinel.conf',
    '10.0.0.5,10.0.0.6,10.0.0.7' =>
        '127.0.0.1:8390,127.0.0.1:8391,127.0.0.1:8392',
    'listen  5111;' => 'listen 127.0.0.1:8081;');
$watched->run();

ok(goes($watched), 'events come by way of the master that they name');
cmp_ok(scalar(of_hub($first)), '>=', 3, 'where the server is');
$first->kill();
ok(wait_for(sub { (eval { scalar(of_hub($second)) } // 0) >= 3 }, 25),
   'when that dies the server is at the next one');
ok(goes($watched), 'and events come');

# Cluster: three nodes.

my $cluster = redis_cluster($t, 3, password => 'of-redis',
                            conf => [ 'masterauth of-redis', @soon ]);
my $many = $t->another();

$many->{number} = 8082;
example_conf($many, 'redis-cluster.conf',
    '10.0.0.5:7000,10.0.0.6:7000,10.0.0.7:7000' =>
        '127.0.0.1:8400,127.0.0.1:8401,127.0.0.1:8402',
    'listen  5111;' => 'listen 127.0.0.1:8082;');
$many->run();

ok(goes($many), 'events come by way of a cluster');

my $slot = $cluster->slot('{conductor:reviews}:log');
my $owner = $cluster->owner($slot);
my ($other) = grep { $_ != $owner } $cluster->nodes();
my ($other_bus) = $owner->do('CLUSTER', 'NODES')
                  =~ /:@{[ $other->port() ]}\@(\d+)/;

cmp_ok(scalar(of_hub($owner)), '>=', 3, 'the server is at the node of its slot');
$cluster->move($slot, $other);
ok(wait_for(sub { of_hub($other) >= 3 }, 15), 'when the slot moves it follows');
ok(goes($many), 'and events come');

my $spare = redis($t, name => 'spare', port => 8403, password => 'of-redis',
    conf => [ 'masterauth of-redis', 'cluster-enabled yes',
              'cluster-port ' . port(8503), 'cluster-node-timeout 2000',
              'cluster-config-file nodes.conf' ]);

$spare->do(qw/ CLUSTER MEET 127.0.0.1 /, $other->port(), $other_bus);
ok(wait_for(sub {
    eval { $spare->do(qw/ CLUSTER REPLICATE /, $other->do(qw/ CLUSTER MYID /)) };
}, 15), 'a replica joins the cluster');
ok(wait_for(sub {
    ($spare->info('master_link_status') // '') eq 'up' && all_know($spare);
}, 15), 'and follows that node');
$other->kill();
ok(wait_for(sub { (eval { scalar(of_hub($spare)) } // 0) >= 3 }, 40),
   'when the node of the slot dies the server is at the one that takes over');
ok(goes($many), 'and events come');

for ($t, $watched, $many) {
    unlike($_->read_file('error.log'),
           qr/of-redis|of-sentinel|another secret/, 'no password is in its log');
}

unlike(join('', map { $_->read_file('error.log') } $t, $watched, $many),
       qr/\[(?:emerg|alert|crit)\]/, 'and nothing worse than an outage');

###############################################################################

# Whether an event that is published comes to a client.
sub goes {
    my ($t) = @_;
    my $want = 'T' . ++$n;
    my $ws = ws_connect($t, '/', token => $token{reviewer});

    $ws->recv_until('welcome') or return 0;

    return 0 if !wait_for(sub {
        (publish($t, { type => 'task-status-changed', taskId => $want },
                 token => $token{system}))[0] == 200;
    });

    return $ws->recv_until(sub { ($_->{taskId} // '') eq $want }) ? 1 : 0;
}


# The connections of servers.
sub of_hub {
    return grep { $_->{name} eq 'conductor:reviews' } $_[0]->connections();
}


# Whether every node of the cluster knows another one as a replica, and that
# one all of them, whose votes it needs to take over.
sub all_know {
    my ($node) = @_;
    my $port = $node->port();
    my $known = $node->do('CLUSTER', 'NODES');

    return !grep { $_->do('CLUSTER', 'NODES') !~ /:$port\@\S* \S*slave/
                   || $known !~ /:@{[ $_->port() ]}\@\S* master .* connected/ }
                 $cluster->nodes();
}


# Whether a Sentinel knows the replica and both of the others.
sub knows {
    my ($sentinel) = @_;

    return @{$sentinel->do('SENTINEL', 'REPLICAS', 'mymaster')} == 1
           && @{$sentinel->do('SENTINEL', 'SENTINELS', 'mymaster')} == 2;
}
