#!/usr/bin/perl

# Clients that go from server to server while Redis is away, and after: each
# gets every event once, by the ids that any of the servers gave it.

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
        redis redis://127.0.0.1:8379 timeout=300ms;
        channel c { default on; }
        event e { channel c; require n; }
    }

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

ok(hub_is('connected', undef, $a, $b), 'two servers are joined by Redis');

my $ws = ws_connect($a, '/');
$ws->recv_until('welcome');

event($a, 'first');
my $first = $ws->recv_until('e')->{eventId};

# Redis is gone; each goes on alone

$redis->kill();

is(event($a, 'a1'), 200, 'without Redis the first server goes on');
is(event($b, 'b1'), 200, 'and the second');

my $e = $ws->recv_until('e');

is($e->{n}, 'a1', 'a client of the first gets what is published there');
like($e->{eventId}, qr/^\d+-\d+~\d+\.\d+$/,
     'with an id that says who ordered it');
$ws->vanish();

# the client goes to the second

$ws = ws_connect($b, "/?since=$e->{eventId}");

my $m = $ws->recv_until('e');

is($m->{n}, 'b1', 'at the second it gets what was published there');
is(scalar(() = $m->{eventId} =~ /~/g), 2, 'with an id that names both');

$m = $ws->recv_until('resumed');

ok($m->{recovered}, 'and is told that this was all');

# and to the second again, in between

$ws->vanish();
event($b, 'b2');
$ws = ws_connect($b, "/?since=$m->{lastEventId}");

$e = $ws->recv_until('e');
is($e->{n}, 'b2', 'when it comes again it gets what is new');
ok($ws->recv_until('resumed')->{recovered}, 'and nothing else');

my $old = ws_connect($b, "/?since=$first");
is_deeply([ map { $old->recv_until('e')->{n} } 1, 2 ], [ 'b1', 'b2' ],
          'one that had nothing since gets all of the second');

# Redis is back: what each has ordered comes to the other

$redis->start();
ok(hub_is('connected', 15, $a, $b), 'both return to Redis');

event($b, 'last');

is($old->recv_until('e')->{n}, 'a1', 'who had not seen it gets it now');
is($old->recv_until('e')->{n}, 'last', 'before what came later');

$e = $ws->recv_until('e');
is($e->{n}, 'last', 'who had it before does not get it again');

# later all ids are of the hub

event($a, 'plain');
$e = $ws->recv_until('e');
is($e->{n}, 'plain', 'it goes on with what comes');
like($e->{eventId}, qr/^\d+-\d+$/, 'with ids of the hub again');

# whoever comes with an old id is given the rest, anywhere

is_deeply(all($a, $first), [ sort qw/ a1 b1 b2 last plain / ],
          'an id from before is good at the first server');
is_deeply(all($b, $first), [ sort qw/ a1 b1 b2 last plain / ],
          'and at the second');
is_deeply(all($a, $m->{lastEventId}), [ sort qw/ b2 last plain / ],
          'and one from between, which names both, at the first');


sub event {
    my ($at, $n) = @_;
    return (publish($at, { type => 'e', n => $n }))[0];
}


sub all {
    my ($at, $since) = @_;
    my $c = ws_connect($at, "/?since=$since");
    my @n;

    while (my $r = $c->recv_json()) {
        push @n, $r->{n} if $r->{type} eq 'e';
        return [ sort @n ] if $r->{type} eq 'resumed';
    }

    return;
}
