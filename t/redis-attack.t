#!/usr/bin/perl

# Whoever may write to Redis can put anything there: the hub goes on, and when
# that is over nothing is left of it.

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
                           ->has_daemon('redis-server'))->plan(20);

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
        zone 16m;
        name node-%%N%%;
        state %%TESTDIR%%/state;
        history events=1000 size=256k;
        redis redis://127.0.0.1:8379 timeout=500ms;
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

my $base = '{conductor:h}:';
my $most = '18446744073709551615';
my $n = 0;

ok(hub_is('connected', undef, $a, $b), 'two servers are one hub');
ok(wait_for(sub { $redis->do('PUBSUB', 'NUMSUB', 'c')->[1] == 2 }),
    'and listen');

my @ws = map { ws_connect($_, '/') } $a, $b;
$_->recv_until('welcome') for @ws;

ok(goes_on(), 'events go from each to the other');

# What servers have said of themselves.

my ($server) = grep { /^[1-9]\d+$/ } @{$redis->do('HKEYS', "${base}heads")};

$redis->do('HSET', "${base}heads", 'last', "$most-$most");
ok(goes_on(), 'a last place that is the last of all');

$redis->do('HSET', "${base}heads", 'last', 'x', 'count', 'x');
ok(goes_on(), 'a place and a count that are none');

$redis->do('HSET', "${base}heads", 'count', '9007199254740993');
ok(goes_on(), 'a count that is too large');

$redis->do('HSET', "${base}heads", $server, "9007199254740990 1 1 1");
ok(goes_on(), 'a number of an event that its server did not give');

$redis->do('HSET', "${base}heads", 0, "$most 0 0 0");
ok(goes_on(), 'and one of a program');

$redis->do('XADD', "${base}log", '*', 'o', "$server.9007199254740990",
           't', time() . '000', 'e', '{"type":"e","n":0}');
ok(goes_on(), 'an event with a number that its server did not give');

$redis->do('XADD', "${base}log", '*', 'o', "0.$most", 't', time() . '000',
           'e', '{"type":"e","n":0}');
ok(goes_on(), 'and one of a program');

# Places.

$redis->do('XADD', "${base}log", "$most-0", 'o', '7.1', 't', time() . '000',
           'e', '{"type":"e","n":0}');
ok(goes_on(), 'an entry at a place behind which there is almost none');

$redis->do('XADD', "${base}log", "$most-$most", 'x', 'y');
ok(goes_on(), 'and one at the last of all');

# Servers.

$redis->do('ZADD', "${base}servers", map { ('9007199254740991', $_) }
                                     1 .. 5000);
ok(wait_for(sub { $redis->do('ZCARD', "${base}servers") == 2 }),
    'servers of a time to come are none');

# Keys.

my ($code, $first) = keyed($a, 'k');
my ($key) = @{$redis->do('KEYS', "${base}key:*")};
my $used = $redis->do('GET', $key);

(my $many = $used) =~ s/ \d+$/ 4294967295/;
$redis->do('SET', $key, $many);
ok((keyed($b, 'k'))[0], 'a key of a request with more events than there are');
ok(goes_on(), 'is no harm');

keyed($a, 'k2');
my ($other) = grep { $_ ne $key } @{$redis->do('KEYS', "${base}key:*")};

(my $huge = $used) =~ s/ \d+ / 99999999999999999999999 /;
$redis->do('SET', $other, $huge);
is((keyed($b, 'k2'))[0], 200, 'one with a number that is too large');
ok(goes_on(), 'is none');

$redis->do('DEL', $key);
$redis->do('RPUSH', $key, 'x');
keyed($b, 'k');
ok(goes_on(), 'nor is one that is something else');

$redis->do('SCRIPT', 'FLUSH');
$redis->do('DEL', "${base}heads", "${base}log");
ok(goes_on(), 'nor is it to lose all');

ok(hub_is('connected', undef, $a, $b), 'it is one hub');

###############################################################################

sub keyed {
    my ($t, $key) = @_;

    return api($t, 'POST', '/publish', body => '{"type":"e","n":0}',
               headers => [ "Idempotency-Key: $key" ]);
}


# Events of both servers, and of a program, come to all clients, and are in
# Redis, too.
sub goes_on {
    my @wanted = map { $n + $_ } 1 .. 3;
    $n += 3;

    hub_is('connected', undef, $a, $b) or return diag('not connected') && 0;

    for ([ $a, $wanted[0] ], [ $b, $wanted[1] ]) {
        my ($status, $body) = publish($_->[0], { type => 'e', n => $_->[1] });

        if ($status != 200 || $body->{eventIds}[0] =~ /~/) {
            diag("publish: $status ", ref $body ? @{$body->{eventIds} || []}
                 : $body);
            return 0;
        }
    }

    $redis->publish('c', { type => 'e', n => $wanted[2] });

    for my $ws (@ws) {
        my %left = map { $_ => 1 } @wanted;

        while (%left) {
            my $got = $ws->recv_until('e') or last;
            delete $left{$got->{n}};
        }

        diag('missing: ', join ' ', map { $_ - $wanted[0] } keys %left)
            if %left;
        return 0 if %left;
    }

    return 1;
}
