#!/usr/bin/perl

# With a secret, servers believe only what one of them has signed; other
# programs publish only where that is allowed.

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
                           ->has_daemon('redis-server'))->plan(18);

my $redis = redis($t);

$t->write_file('secret', 'a secret of the servers, 32 bytes or more');

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
        redis redis://127.0.0.1:8379 secret=file:%%FIRST%%/secret;
        channel c { default on; }
        event e { channel c; }
    }

    conductor_hub open {
        zone 16m;
        name node-%%N%%;
        state %%TESTDIR%%/open;
        history events=1000 size=256k;
        redis redis://127.0.0.1:8379 secret=file:%%FIRST%%/secret foreign=on
              channels=open:;
        channel c { default on; }
        event e { channel c; }
    }

    conductor_limit_conn off;
    server {
        listen 127.0.0.1:8080;

        location /h            { conductor h;
                                 conductor_identity user=$arg_user; }
        location /open         { conductor open; conductor_auth off; }
        location /publish      { conductor_publish h; }
        location /health       { conductor_health h; }
        location /health/open  { conductor_health open; }
        location /admin        { conductor_admin h; }
    }
}

EOF_CONF

my $later = (time() + 3600) * 1000;

ok(hub_is('connected', undef, $a, $b), 'two servers with a secret are one hub');
ok(wait_for(sub { $redis->do('PUBSUB', 'NUMSUB', 'open:c')->[1] == 2 }),
    'so are those of another hub, and listen');

my ($h, $open) = map { ws_connect($b, "/$_?user=bob") } qw/ h open /;
$_->recv_until('welcome') for $h, $open;

# Events.

publish($a, { type => 'e', n => 1 });
is($h->recv_until('e')->{n}, 1, 'what is signed is believed');

$redis->do('XADD', '{conductor:h}:log', '*', 'o', '7.1', 't', time() . '000',
           'e', '{"type":"e","n":2}');
$redis->do('XADD', '{conductor:h}:log', '*', 'o', '7.2', 't', time() . '000',
           'e', '{"type":"e","n":2}', 'm', 'x' x 43);
is(rejects($b, 2), 2, 'what is not is not');

$redis->do('XADD', '{conductor:h}:log', '*', 'o', '7.9', 't', time() . '000',
           'i', 99, 'e', '{"type":"e","n":2}');
is(rejects($b, 3), 3, 'nor that something is missing');

my ($signed) = map { $_->[1] } grep { grep { $_ eq 'm' } @{$_->[1]} }
               @{$redis->do('XRANGE', '{conductor:h}:log', '-', '+')};
my %again = (@$signed, i => 999);
$redis->do('XADD', '{conductor:h}:log', '*', %again);

publish($a, { type => 'e', n => 4 });
is($h->recv_until('e')->{n}, 4, 'what was signed once is not taken again');
is(scalar(grep { $_->{type} eq 'resumed' } @{$h->skipped()}), 0,
    'and nobody is told of a gap');

# Other programs.

is($redis->publish('c', { type => 'e', n => 3 }), 0,
    'what others publish is heard by none');
$redis->publish('open:c', { type => 'e', n => 3 });
is($open->recv_until('e')->{n}, 3, 'but where that is allowed');

# What an administrator asks.

is((revoke($a, user => 'eve'))[0], 200, 'a user is revoked');
ok(wait_for(sub { !let_in($b, 'eve') }), 'on all servers');

$redis->do('XADD', '{conductor:h}:log', '*', 'o', '7.3', 't', time() . '000',
           'c', '{"do":"drain","server":"node-2","on":true}');
is(rejects($b, 4), 4, 'nobody else can ask for that');
is((health($b, probe => 'ready'))[0], 200, 'nor drain a server');

# The table of them that is in Redis.

ok(wait_for(sub { $redis->do('HLEN', '{conductor:h}:revocations') == 1 }),
    'Redis keeps it');

my ($name, $value) = @{$redis->do('HGETALL', '{conductor:h}:revocations')};
(my $forged = $value) =~ s/^\d+/0/;
my ($ms) = $value =~ /^\d+ \d+ (\d+)/;
my $place = $ms + 1_000_000;
$forged =~ s/ $ms / $place /;

unlike($name, qr/eve/, 'who it is is not to be read');
$redis->do('HSET', '{conductor:h}:revocations', $name, $forged);
$redis->do('CLIENT', 'KILL', 'TYPE', 'normal');

is(rejects($b, 5), 5, 'what is changed there is not believed');
ok(!let_in($b, 'eve'), 'who was revoked still is');
ok($h->sync() && $open->sync(), 'and nobody has lost a connection');

###############################################################################

sub let_in {
    my ($t, $user) = @_;
    return ws_connect($t, "/h?user=$user")->status() == 101;
}


# How much was not believed, once it is so much.
sub rejects {
    my ($t, $n) = @_;
    my $is;

    wait_for(sub {
        $is = (health($t, path => '/health?figures=1'))[1]
              {redisFigures}{rejected};
        $is >= $n;
    });

    return $is;
}


sub revoke {
    my ($t, %what) = @_;
    return (api($t, 'POST', '/admin/revocations', body =>
        JSON::PP->new->encode({ until => $later, %what })))[0, 1];
}
