#!/usr/bin/perl

# A back end that is asked before a client is welcome, and sessions of agents.

use warnings;
use strict;

use JSON::PP;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Backend;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /))->plan(30);

$t->todo_alerts(killed());

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      4m;
        history   events=1000 size=1m;
        presence  on leave=0s;
        drain     500ms;

        channel presence:updates { default on; }
        channel c { default on; }
        channel s { roles admin; }
        event e { channel c; }
        event x { channel s; }
    }

    server {
        listen 127.0.0.1:8080 reuseport;

        conductor_auth off;
        conductor_limit_conn off;
        conductor_limit_messages off;

        location / {
            conductor h;
            conductor_identity user=$arg_user role=$arg_role;
            conductor_limit_user 2;
            conductor_backend /back connect message;
        }

        location /role/ {
            conductor h;
            conductor_backend /role connect;
            conductor_require_role editor;
            conductor_identity user=$arg_user role=editor;
        }

        location /as/    { conductor h; conductor_limit_user 1;
                           conductor_backend /as connect; }
        location /no/    { conductor h; conductor_backend /no connect; }
        location /fail/  { conductor h; conductor_backend /fail connect; }
        location /late/  { conductor h; conductor_backend /late connect;
                           conductor_backend_timeout 200ms; }
        location /slow/  { conductor h; conductor_backend /slow connect
                           message; }
        location /plain/ { conductor h; }

        location = /back { proxy_pass http://127.0.0.1:8082; }
        location = /as   { proxy_pass http://127.0.0.1:8083; }
        location = /no   { proxy_pass http://127.0.0.1:8084; }
        location = /fail { return 500; }
        location = /late { proxy_pass http://127.0.0.1:8085; }
        location = /slow { proxy_pass http://127.0.0.1:8086; }
        location = /role { return 200 '{"identity":{"role":"x"}}'; }

        location /publish  { conductor_publish h; }
        location /health   { conductor_health h; }
        location /presence { conductor_presence h; }
        location /metrics  { conductor_metrics h format=prometheus; }
    }
}

EOF_CONF

backend($t, 8082, connect => { answer => {
    emit => { type => 'hint' }, publish => { type => 'e', n => 1 } } });
backend($t, 8083, connect => { answer => { identity => {
    userId => 'bob', role => [ 'admin', 'x' ] }, subscribe => 's' } });
backend($t, 8084, connect => { answer => { close => { code => 4503,
    reason => 'not you' } } });
backend($t, 8085, connect => { delay => 20 });
backend($t, 8086, connect => { delay => 0.5 });
$t->run();
wait_for(sub { worker_pids($t) == workers() });

# who is welcome

my $ws = ws_connect($t, '/?user=ann&role=r');
is($ws->recv_json()->{type}, 'welcome', 'a client is welcome');

my ($r) = map { $_->{body} } asked($t, 8082);
is_deeply([ @$r{qw/ kind userId role protocol /} ],
    [ 'connect', 'ann', 'r', 'conductor.v1' ], 'when the back end was asked');
is($r->{id}, $r->{connectionId}, 'once for a connection');
ok($ws->recv_until('hint'), 'it may be sent something');
ok($ws->recv_until('e'), 'and something may be published');
ok((grep { $_->{type} eq 'presence-list' } @{$ws->skipped()})
       || $ws->recv_until('presence-list'), 'it is told who is there');

# as whom

my $bob = ws_connect($t, '/as/');
my $welcome = $bob->recv_until('welcome');
is("$welcome->{userId} $welcome->{role}", 'bob admin,x',
    'a back end says who it is');
publish($t, { type => 'x', n => 4 });
is($bob->recv_until('x')->{n}, 4, 'and what it sees');
is_deeply([ sort map { $_->{userId} } @{present($t)} ], [ 'ann', 'bob' ],
    'which is who is present');

my $two = ws_connect($t, '/as/');
is(($two->expect_close())[0], 4429, 'limits of a user hold for that');

# who is not

$two = ws_connect($t, '/no/');
is_deeply([ ($two->expect_close())[0, 1] ], [ 4503, 'not you' ],
    'a back end turns clients away');
$two = ws_connect($t, '/fail/');
is_deeply([ ($two->expect_close())[0, 1] ], [ 1013, 'the back end failed' ],
    'one that fails is a reason to come back later');
$two = ws_connect($t, '/late/');
is(($two->expect_close())[0], 1013, 'so is one that takes too long');
$two = ws_connect($t, '/role/?user=u');
is(($two->expect_close())[0], 4503, 'a role has to be allowed');
is_deeply([ sort map { $_->{userId} // '' } @{present($t)} ],
    [ 'ann', 'bob' ], 'none of them was ever present');

# what is said before the welcome

my $early = ws_connect($t, '/slow/', body => frame(1,
    '{"type":"agent:a","id":1,"action":"start_session"}'));
$early->send_json({ type => 'ping', id => 2 });
is_deeply([ map { ($early->recv_until($_) // {})->{type} }
                qw/ welcome ack pong / ], [ qw/ welcome ack pong / ],
    'what a client says before is heard after the welcome');

$two = ws_connect($t, '/slow/');
$two->vanish();
ok(ws_connect($t, '/plain/')->recv_until('welcome'),
    'one that leaves meanwhile harms nobody');

# sessions of agents

$ws = ws_connect($t, '/plain/');
$ws->recv_until('welcome');
my $id = start($ws, 'learning')->{sessionId};
like($id, qr/^sess_[\w-]{16}$/, 'a session with an agent has an id');
is(start($ws, 'learning')->{sessionId}, $id, 'the same if asked again');
isnt(start($ws, 'x')->{sessionId}, $id, 'another with another agent');
is(sessions($t), 3, 'they are counted');

is($ws->command({ type => 'agent:learning', action => 'end_session' })
    ->{sessionId}, $id, 'it ends it');
is($ws->command({ type => 'agent:learning', action => 'end_session' })
    ->{type}, 'ack', 'more than once');
isnt(start($ws, 'learning')->{sessionId}, $id, 'and begins another');

start($ws, "n$_") for 1 .. 30;
is(start($ws, 'more')->{code}, 'busy', 'there are 32 at most');
is($ws->command({ type => 'agent:x', action => 'more' })->{code},
    'unknown_type', 'any other action needs a back end');
$ws->close();
ok(wait_for(sub { sessions($t) == 1 }), 'they end with the connection');

my $back = ws_connect($t, '/?user=eve');
$back->recv_until('welcome');
$id = start($back, 'a')->{sessionId};
$back->command({ type => 'agent:a', action => 'go' });
is((asked($t, 8082))[-1]{body}{sessionId}, $id,
    'a back end is told the session');

kill 'KILL', worker_pids($t);
ok(wait_for(sub { (sessions($t) // 1) == 0 }), 'and with their worker');

ok(wait_for(sub { my $s = eval { ws_connect($t, '/plain/') } or return;
                  $s->is_open() && $s->recv_until('welcome') }),
    'the hub goes on');


sub start {
    my ($ws, $name) = @_;

    return $ws->command({ type => "agent:$name", action => 'start_session' });
}


sub sessions {
    my ($t) = @_;
    my ($n) = (eval { http_get('/metrics') } // '')
        =~ /^websocket_active_sessions\{[^}]*\} (\d+)/m;
    return $n;
}


sub present {
    my ($t) = @_;
    my ($json) = http_get('/presence') =~ /\r\n\r\n(.*)/s;
    return JSON::PP::decode_json($json)->{reviewers};
}
