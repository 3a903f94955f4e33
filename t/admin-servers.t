#!/usr/bin/perl

# Administrators of a hub of two servers: each lists its own connections and
# names the other one, both have the same events, and what is done by one of
# them holds on both.

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
                           ->has_daemon('redis-server'))->plan(17);

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
        zone 24m;
        name node-%%N%%;
        state %%TESTDIR%%/state;
        presence %%TESTDIR%%/tasks.db;
        history events=1000 size=256k;
        drain 100ms;
        redis redis://127.0.0.1:8379;
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

ok(hub_is('connected', undef, $a, $b), 'two servers are one hub');

my $ann = client($a, 'ann');
my $bob = client($b, 'bob');
my $again = client($b, 'ann');

###############################################################################

my ($code, $said) = api($a, 'GET', '/admin/connections');
is_deeply([ map { $_->{userId} } @{$said->{connections}} ], [ 'ann' ],
    'a server lists its connections');
is($said->{connections}[0]{server}, 'node-1', 'with its name');

ok(wait_for(sub {
    (undef, $said) = api($a, 'GET', '/admin/connections');
    return @{$said->{others}} && $said->{others}[0]{reviewers} == 2;
}), 'and who else may be asked');
is($said->{others}[0]{server}, 'node-2', 'by name');

is_deeply([ sort map { $_->{userId} }
            @{(api($b, 'GET', '/admin/connections'))[1]{connections}} ],
    [ 'ann', 'bob' ], 'that one lists its own');

# The same events.

publish($a, { type => 'e', n => 1 });
publish($b, { type => 'e', n => 2 });
$_->recv_until('e') for $ann, $ann, $bob, $bob;

my @events = map { (api($_, 'GET', '/admin/events?type=e'))[1] } $a, $b;

is(scalar @{$events[0]{events}}, 2, 'a server has the events of both');
is_deeply($events[1], $events[0], 'and so has the other one');

my $since = $events[0]{events}[0]{eventId};
is((api($b, 'GET', "/admin/events?since=$since"))[1]{count}, 1,
    'whichever is asked what came after one');

# What is done holds on both.

my $list = sub { (api($b, 'GET', "/admin/connections?user=$_[0]"))[1]{count} };
my $id = $bob->{connection};

is((api($a, 'DELETE', "/admin/connections/$id"))[0], 202,
    'the one ends a connection of the other');
is(($bob->expect_close())[0], 1000, 'which it does');
ok(wait_for(sub { !$list->('bob') }), 'so that it is not listed');

is((api($a, 'POST', '/admin/revocations', body => '{"user":"ann","until":'
        . (time() + 600) * 1000 . '}'))[0], 200, 'a user is revoked');
is_deeply([ map { ($_->expect_close())[0] } $ann, $again ], [ 4500, 4500 ],
    'at both');

is((api($b, 'POST', '/admin/drain', body => '{"server":"node-1"}'))[0], 202,
    'the one has the other drain');
ok(wait_for(sub { (health($a, probe => 'ready'))[0] == 503 }),
    'which then is not ready');
is((health($b, probe => 'ready'))[0], 200, 'but the one is');


###############################################################################

sub client {
    my ($t, $name) = @_;
    my $ws = ws_connect($t, "/?user=$name");

    $ws->{connection} = $ws->recv_until('welcome')->{connectionId};
    return $ws;
}
