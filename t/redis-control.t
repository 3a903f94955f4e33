#!/usr/bin/perl

# What an administrator asks of one server holds on all of the hub, also on
# those that could not be told at once.

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
                           ->has_daemon('redis-server'))->plan(35);

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
        drain 100ms;
        redis redis://127.0.0.1:8379 timeout=300ms;
        channel c { default on; }
        channel admin:notifications { default on; }
        event e { channel c; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_identity user=$arg_user; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
        location /admin   { conductor_admin h; }
    }
}

EOF_CONF

my $later = (time() + 3600) * 1000;

ok(hub_is('connected', undef, $a, $b), 'two servers are one hub');

# Disconnecting.

my $ann = client($b, 'ann');
my $bob = client($b, 'bob');

my ($status, $said) = disconnect($a, $ann->{id});

is_deeply([ $status, $said ], [ 202, { connectionId => $ann->{id} } ],
    'a server tells the others of a connection that it does not have');
is(join(' ', $ann->expect_close()), '1000 disconnected 1', 'which is closed');
is((disconnect($b, $bob->{id}))[0], 200, 'its own it closes itself');
is((disconnect($a, 'nobody'))[0], 404, 'what can be no id is not told');

# Revoking.

my $eve = client($b, 'eve');
$bob = client($b, 'bob');

is((revoke($a, user => 'eve'))[0], 200, 'a user is revoked on one server');
is(($eve->expect_close())[0], 4500, 'and leaves the other');
is(ws_connect($b, '/?user=eve')->status(), 401, 'and is let in by none');
ok($bob->sync(), 'others stay');

is((revoke($b, user => 'eve', until => 0))[0], 200,
    'that is lifted on the other');
ok(wait_for(sub { let_in($a, 'eve') }), 'and holds on the first no more');
ok(let_in($b, 'eve'), 'nor on the other');

# Notifications.

notify($a, 'to all');
is($bob->recv_until('admin-notification')->{message}, 'to all',
    'a notification comes to all');

notify($a, 'to bob', user => 'bob');
is($bob->recv_until('admin-notification')->{message}, 'to bob',
    'or to a user of another server');

# Draining.

($status, $said) = drain($a, 'POST', 'node-2');

is_deeply([ $status, $said ],
    [ 202, { server => 'node-2', draining => JSON::PP::true() } ],
    'the other server is told to drain');
is(($bob->expect_close())[0], 1012, 'it sends its clients on');
is(ready($a), 200, 'only that one');

is((drain($a, 'DELETE', 'node-2'))[0], 202, 'that is taken back');
ok(wait_for(sub { ready($b) == 200 }), 'and it is ready again');

is((drain($a, 'POST', 'node-9'))[0], 202, 'who is meant is not known');
is((revoke($a, user => 'x'))[0], 200, 'what follows');
ok(wait_for(sub { !let_in($b, 'x') }), 'is there');
is_deeply([ ready($a), ready($b) ], [ 200, 200 ], 'nobody drains');

# While Redis does not answer, and after.

$redis->hang();

is((revoke($a, user => 'away'))[0], 200, 'a user is revoked by one alone');
is((revoke($b, user => 'both'))[0], 200, 'and another one');
revoke($a, user => 'both', until => 0);
ok(!let_in($a, 'away') && let_in($b, 'away'), 'the other is not told yet');

$redis->go_on();

ok(wait_for(sub { !let_in($b, 'away') }), 'but when Redis is back');
ok(wait_for(sub { let_in($a, 'both') == let_in($b, 'both') }),
    'of two that do not agree one wins');

# A Redis that has forgotten, and a server that knows nothing.

revoke($a, user => 'lost');
revoke($a, user => 'lifted');
revoke($a, user => 'lifted', until => 0);
ok(wait_for(sub { !let_in($b, 'lost') }), 'another one is revoked');

$b->stop();
$redis->restart();

# it is told again

ok(hub_is('connected', undef, $a), 'Redis is there again, and empty');

remove_tree($b->testdir() . '/state');
$b->run();

ok(hub_is('connected', undef, $b), 'and the other server, as a new one');
ok(wait_for(sub { !let_in($b, 'lost') }), 'it knows who was revoked');
ok(!let_in($b, 'away') && let_in($b, 'lifted'), 'and who was not');

# What makes no sense is harmless.

$redis->do('XADD', '{conductor:h}:log', '*', 'o', "7.$_", 't', 1, 'c',
           [ '{"do":"revoke"}', '{"do":"dance"}', '{}' ]->[$_ - 1]) for 1 .. 3;

revoke($a, user => 'last');
ok(wait_for(sub { !let_in($b, 'last') }), 'bad wishes do no harm');
is((health($b, path => '/health?figures=1'))[1]{redisFigures}{rejected}, 1,
    'and the one that could be one is counted');

###############################################################################

sub client {
    my ($t, $user) = @_;
    my $ws = ws_connect($t, "/?user=$user");

    $ws->{id} = ($ws->recv_until('welcome') // {})->{connectionId};
    return $ws;
}


sub let_in {
    my ($t, $user) = @_;
    return ws_connect($t, "/?user=$user")->status() == 101 ? 1 : 0;
}


sub ready {
    my ($t) = @_;
    return (health($t, probe => 'ready'))[0];
}


sub disconnect {
    my ($t, $id) = @_;
    return (api($t, 'DELETE', "/admin/connections/$id"))[0, 1];
}


sub revoke {
    my ($t, %what) = @_;
    return ask($t, 'POST', 'revocations', until => $later, %what);
}


sub notify {
    my ($t, $text, %to) = @_;
    return ask($t, 'POST', 'notifications', message => $text, %to);
}


sub drain {
    my ($t, $method, $server) = @_;
    return ask($t, $method, 'drain', server => $server);
}


sub ask {
    my ($t, $method, $path, %what) = @_;
    return (api($t, $method, "/admin/$path",
                body => JSON::PP->new->encode(\%what)))[0, 1];
}
