#!/usr/bin/perl

# Sentinel, Cluster and TLS of Redis that other tests use, without the module.

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

my $t = Test::Nginx->new()->has_daemon('redis-server')->has('socket_ssl')
    ->plan(13);

$t->write_file_expand('nginx.conf', <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%
}

EOF_CONF

$t->run();

# Sentinel

my $first = redis($t, name => 'first', port => 8380);
my $second = redis($t, name => 'second', port => 8381,
    conf => [ "replicaof 127.0.0.1 " . $first->port() ]);

ok(wait_for(sub { ($second->info('master_link_status') // '') eq 'up' }),
   'a server follows another');

my $sentinel = redis_sentinel($t, $first);

is_deeply($sentinel->do('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster'),
          [ '127.0.0.1', $first->port() ], 'a Sentinel knows the master');
ok(wait_for(sub {
    @{$sentinel->do('SENTINEL', 'REPLICAS', 'mymaster')} == 1
}, 15), 'and who follows it');

$first->kill();
ok(wait_for(sub { $second->info('role') eq 'master' }, 15),
   'another one is made the master');
ok(wait_for(sub {
    $sentinel->do('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster')->[1]
    == $second->port()
}), 'and that is said');

# Cluster

my $cluster = redis_cluster($t, 2);
my $slot = $cluster->slot('{conductor:h}:log');
my $from = $cluster->owner($slot);
my ($to) = grep { $_ != $from } $cluster->nodes();
my ($asks, $asked) = ($from->client(), $to->client());

is($asks->do('SET', '{conductor:h}:log', 1), 'OK', 'a slot has an owner');
like(eval { $asked->do('GET', '{conductor:h}:log') } // $@,
     qr/^redis: MOVED $slot 127.0.0.1:${\$from->port()}$/, 'no other one');

$cluster->move_begin($slot, $to);
$cluster->move_keys($slot, $to);
like(eval { $asks->do('GET', '{conductor:h}:log') } // $@,
     qr/^redis: ASK $slot /, 'a key may be gone from it');
$cluster->move_end($slot, $to);
is($asked->do('GET', '{conductor:h}:log'), 1, 'and then the slot');
is($cluster->owner($slot), $to, 'which all know');

# TLS

my $certs = redis_certificates($t);
my $tls = redis($t, name => 'tls', port => 8382, tls => $certs);

is($tls->do('PING'), 'PONG', 'a server with TLS starts');

my %tls = (PeerAddr => '127.0.0.1', PeerPort => $tls->port(),
           SSL_ca_file => $certs->{ca}, SSL_cert_file => $certs->{client_cert},
           SSL_key_file => $certs->{client_key});

my $ssl = IO::Socket::SSL->new(%tls);
print $ssl "PING\r\n" if $ssl;
is($ssl && <$ssl>, "+PONG\r\n", 'and speaks it');
ok(!IO::Socket::SSL->new(%tls, SSL_ca_file => $certs->{other_ca}),
   'to who knows its authority');
