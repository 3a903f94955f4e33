#!/usr/bin/perl

# Clients that go while a back end is asked, or before it could be: they keep
# nothing that others wait for.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Backend;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /))->plan(15);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        history  events=1000 size=1m;
        drain    500ms;
    }

    server {
        listen 127.0.0.1:8080 reuseport;

        conductor_auth off;
        conductor_limit_messages off;
        conductor_limit_conn off;
        conductor_backend_concurrency 1;

        location /wait/  { conductor h; conductor_backend /a connect;
                           conductor_limit_conn 7; }
        location /soon/  { conductor h; conductor_backend /a connect;
                           conductor_backend_timeout 300ms; }
        location /until/ { conductor h; conductor_backend /a connect;
                           conductor_identity user=$arg_user expires=$arg_expires; }
        location /say/   { conductor h; conductor_backend /b message;
                           conductor_identity user=$arg_user; }
        location /both/  { conductor h; conductor_backend /b connect; }

        location = /a { proxy_pass http://127.0.0.1:8082; }
        location = /b { proxy_pass http://127.0.0.1:8083; }

        location /health { conductor_health h; }
        location /admin  { conductor_admin h; }
    }
}

EOF_CONF

backend($t, 8082, connect => { delay => 3 });
backend($t, 8083);
$t->run();
wait_for(sub { worker_pids($t) == workers() });

# before they are welcome

my $first = ws_connect($t, '/wait/');
wait_for(sub { asked($t, 8082) == 1 });

my @ws = map { ws_connect($t, '/wait/') } 1 .. 6;
$ws[$_]->send_json({ type => 'ping' }) for 0 .. 2;
is(connections(), 7, 'clients wait for a back end');
$_->drop() for @ws[0 .. 3];
$_->reset() for @ws[4, 5];
ok(wait_for(sub { connections() == 1 }),
    'those who leave meanwhile are gone at once');

my $next = ws_connect($t, '/wait/');
ok($next->is_open(), 'and have left their place to others');

my $soon = ws_connect($t, '/soon/');
is_deeply([ ($soon->expect_close())[0, 1] ],
    [ 1013, 'the back end did not answer in time' ],
    'the wait for a turn is limited as well');

my $until = ws_connect($t, '/until/?user=u&expires=' . (time() + 1));
is(($until->expect_close())[0], 4401,
    'a token that expires meanwhile ends it');
is_deeply([ grep { $_->{type} eq 'welcome' } @{$until->skipped()} ], [],
    'without a welcome');

is($first->recv_until('welcome', 10)->{type}, 'welcome',
    'who stays is welcome');
is($next->recv_until('welcome', 10)->{type}, 'welcome', 'and who is next');
is(scalar(asked($t, 8082)), 2, 'nobody else was asked about');

# what they have said

my $hold = open_at('/say/?user=hold');
my $other = open_at('/say/?user=other');
say_at($hold, 'hold', 1, 1);
wait_for(sub { asked($t, 8083) == 1 });

for my $n (1 .. 6) {
    my $ws = open_at('/say/?user=gone');
    say_at($ws, 'gone', 5, 0.05);
    $ws->sync();
    $ws->close();
}

wait_for(sub { connections() == 4 });

is($other->command({ type => 'agent:a', who => 'other' }, 10)->{type}, 'ack',
    'another client is answered');
cmp_ok(scalar(said('gone')), '<', 10, 'before those who have left');
is(open_at('/both/')->is_open() && scalar(said('gone')) < 20, 1,
    'and a new one is welcome');
ok(wait_for(sub { said('gone') == 30 }), 'they are told when nobody waits');

# who is not wanted any more

my $mallory = open_at('/say/?user=mallory');
say_at($mallory, 'mallory', 10, 0.3);
wait_for(sub { said('mallory') == 1 });
api($t, 'POST', '/admin/revocations', body =>
    '{"user":"mallory","until":' . (time() + 60) * 1000 . '}');
is(($mallory->expect_close())[0], 4500, 'a client is revoked');
$other->command({ type => 'agent:a', who => 'other' }, 10) for 1 .. 5;
is(scalar(said('mallory')), 1, 'what it had said is not told any more');


sub open_at {
    my ($uri) = @_;
    my $s = ws_connect($t, $uri);
    $s->recv_until('welcome', 10);
    return $s;
}


sub say_at {
    my ($ws, $who, $n, $delay) = @_;

    $ws->send_json({ type => 'agent:a', who => $who,
                     do => { delay => $delay } }) for 1 .. $n;
}


sub said {
    my ($who) = @_;

    return grep { ($_->{body}{message}{who} // '') eq $who } asked($t, 8083);
}


sub connections {
    return (health($t))[1]{connections};
}
