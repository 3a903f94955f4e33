#!/usr/bin/perl

# The ways to Redis that a hub may be given, each by a hub of its own: sockets,
# users, lists, names, TLS, Sentinel; and what /health says where one leads
# nowhere.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
                           ->has_daemon('redis-server'));

my $plain = redis($t, password => 'open-sesame');
my $replica = redis($t, name => 'replica', port => 8380, conf => [
    'replicaof 127.0.0.1 ' . $plain->port(), 'masterauth open-sesame' ]);

$plain->do(qw/ ACL SETUSER hub on >of-the-hub ~* &* +@all /);

my $certs = redis_certificates($t);
my $secure = redis($t, name => 'secure', port => 8381, tls => $certs);
my $master = redis($t, name => 'master', port => 8382);
my $sentinel = redis_sentinel($t, $master, password => 'of-sentinel');

my $at = '127.0.0.1:8379';
my $ca = "ca=$certs->{ca}";
my $client = "cert=$certs->{client_cert} key=$certs->{client_key}";

# what leads there, and what does not, with the reason

my %way = (
    password => [ "redis://:open-sesame\@$at" ],
    user     => [ "redis://hub:of-the-hub\@$at/3" ],
    socket   => [ 'unix:' . $plain->path() . ' password=open-sesame' ],
    name     => [ 'redis://:open-sesame@localhost:%%PORT_8379%%' ],
    ipv6     => [ 'redis://:x@[::1]:%%PORT_8379%%', qr/refused|unreach|assign/ ],
    list     => [ "redis://:open-sesame\@127.0.0.1:8389,127.0.0.1:8380,$at" ],
    wrong    => [ "redis://:sesame\@$at", qr/WRONGPASS/ ],
    none     => [ "redis://$at", qr/NOAUTH/ ],
    replica  => [ 'redis://127.0.0.1:8380', qr/a replica/ ],
    nobody   => [ 'redis://127.0.0.1:8389', qr/127.0.0.1:\d+: .*refused/ ],
    nowhere  => [ 'redis://no.such.name.invalid', qr/Name|name/ ],
    tls      => [ "rediss://127.0.0.1:8381 $ca $client" ],
    tls_name => [ "rediss://127.0.0.1:8381 $ca $client tls_name=localhost" ],
    trusting => [ "rediss://127.0.0.1:8381 verify=off $client" ],
    other    => [ "rediss://127.0.0.1:8381 $ca $client tls_name=other.example",
                  qr/hostname mismatch/ ],
    stranger => [ "rediss://127.0.0.1:8381 ca=$certs->{other_ca} $client",
                  qr/certificate/ ],
    nameless => [ "rediss://127.0.0.1:8381 $ca",
                  qr/certificate required|reset|closed/ ],
    sentinel => [ 'redis://127.0.0.1:8389,127.0.0.1:8390 sentinel=mymaster'
                  . ' sentinel_password=of-sentinel' ],
    unknown  => [ 'redis://127.0.0.1:8390 sentinel=nobody'
                  . ' sentinel_password=of-sentinel', qr/no such master/ ],
    guarded  => [ 'redis://127.0.0.1:8390 sentinel=mymaster', qr/NOAUTH/ ],
);

my @names = sort keys %way;

$t->plan(@names + 3);

my $hubs = join '', map { <<EOF_HUB } @names;
    conductor_hub $_ {
        zone 8m;
        state %%TESTDIR%%/$_;
        redis $way{$_}[0] outbox=1m;
        history events=100 size=64k;
        channel c { default on; }
        event e { channel c; }
    }
EOF_HUB

my $locations = join '', map { <<EOF_LOCATION } @names;
        location = /health/$_ { conductor_health $_; }
EOF_LOCATION

$t->write_file_expand('nginx.conf', conductor_conf(<<EOF_CONF));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

$hubs
    server {
        listen 127.0.0.1:8080;

$locations
    }
}

EOF_CONF

ok(wait_for(sub { ($replica->info('master_link_status') // '') eq 'up' }),
   'a server follows the other');

$t->run();

for my $name (@names) {
    my $reason = $way{$name}[1];
    my $health;

    my $as_said = wait_for(sub {
        $health = (health($t, path => "/health/$name"))[1];

        return $health->{redis} eq 'degraded'
               && ($health->{redisError} // '') =~ $reason if $reason;
        return $health->{redis} eq 'connected';
    }, 15);

    ok($as_said, "$way{$name}[0]: "
                 . ($reason ? 'in vain, with the reason' : 'it leads there'))
        or diag($health->{redis} . ': ' . ($health->{redisError} // ''));
}

my $log = $t->read_file('error.log');

unlike($log, qr/sesame|of-the-hub|of-sentinel/, 'no password is in the log');
unlike($log, qr/exited on signal/, 'and no keeper has crashed');
