#!/usr/bin/perl

# The audit log in a hub of several servers: each tells what was asked of it,
# and what an administrator of another one made it do.

use warnings;
use strict;

use JSON::PP;
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
        zone 16m;
        name node-%%N%%;
        state %%TESTDIR%%/state;
        history events=1000 size=256k;
        drain 100ms;
        redis redis://127.0.0.1:8379 timeout=300ms;
        audit_log audit.log;
        channel c { default on; }
        channel admin:notifications { roles admin; }
        event e { channel c; publish_roles writer; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h;
                            conductor_identity user=$arg_user role=writer; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
        location /admin   { conductor_admin h; }
    }
}

EOF_CONF

ok(hub_is('connected', undef, $a, $b), 'two servers are one hub');

# publications, told of by who was asked, with the place that they got

my ($code, $said) = publish($a, [ { type => 'e' }, { type => 'e' } ]);
my $line = line($a, sub { $_->{event} eq 'publish' });
is("$line->{events} $line->{eventId}", "2 $said->{eventIds}[0]",
    'a publication has the id that Redis gave it');

my $ws = ws_connect($b, '/?user=ann');
my $id = $ws->recv_until('welcome')->{connectionId};
my $ack = $ws->command({ type => 'publish', event => { type => 'e' } });
$line = line($b, sub { $_->{event} eq 'publish' });
is("$line->{user} $line->{connection} $line->{eventId}",
    "ann $id $ack->{eventId}", 'so has that of a client');

publish($a, { type => 'e' }, key => 'k') for 1 .. 2;
publish($a, { type => 'e', n => 'last' });
$ws->recv_until(sub { ref && ($_->{n} // '') eq 'last' });
ok(wait_for(sub { 3 == grep { $_->{event} eq 'publish' } lines($a) }),
    'what is repeated under a key is one');
is(scalar(grep { $_->{event} eq 'publish' } lines($b)), 1,
    'and what others were asked is not told of');
publish($a, { type => 'nothing' });

# administrators

api($a, 'DELETE', "/admin/connections/$id");
$line = line($a, sub { $_->{event} eq 'admin' });
is_deeply([ @$line{qw/ action target server address reason /} ],
    [ 'disconnect', $id, 'node-1', '127.0.0.1', undef ],
    'who was asked to disconnect tells it');
$line = line($b, sub { $_->{event} eq 'admin' });
is_deeply([ @$line{qw/ action target server address reason /} ],
    [ 'disconnect', $id, 'node-2', undef, 'another server' ],
    'and who did it');
is(line($b, sub { $_->{event} eq 'disconnect' })->{connection}, $id,
    'as well as the end');

my $until = (time() + 3600) * 1000;

$ws = ws_connect($b, '/?user=eve');
$ws->recv_until('welcome');
api($a, 'POST', '/admin/revocations',
    body => qq({"user":"eve","until":$until}));
is(line($a, sub { $_->{event} eq 'revoke' })->{targetUser}, 'eve',
    'a revocation');
is(line($b, sub { $_->{event} eq 'disconnect'
                  && $_->{user} eq 'eve' })->{reason}, 'revoked',
    'ends connections of all servers');
ok(wait_for(sub {
       ws_connect($b, '/?user=eve');
       grep { $_->{event} eq 'refuse' && $_->{reason} eq 'revoked' }
           lines($b);
   }), 'who does not come back to any');

api($a, 'POST', '/admin/drain', body => '{"server":"node-2"}');
is(line($a, sub { ($_->{action} // '') eq 'drain' })->{target}, 'node-2',
    'a server that is to drain');
is(line($b, sub { ($_->{action} // '') eq 'drain' })->{reason},
    'another server', 'tells that it does');

# without Redis

$redis->kill();
ok(hub_is('degraded', undef, $a), 'Redis is gone');
my $n = grep { $_->{event} eq 'publish' } lines($a);
($code, $said) = publish($a, { type => 'e' });
is($code, 200, 'a publication has its place all the same');
ok(wait_for(sub { $n + 1 == grep { $_->{event} eq 'publish' } lines($a) }),
    'and is told of');
is((grep { $_->{event} eq 'publish' } lines($a))[-1]{eventId},
    $said->{eventIds}[0], 'with it');


sub lines {
    my ($server) = @_;
    return map { decode_json($_) } split /\n/, $server->read_file('audit.log');
}


# The first line that is so, waited for.
sub line {
    my ($server, $which) = @_;
    return wait_for(sub { (grep { $which->() } lines($server))[0] }) || {};
}
