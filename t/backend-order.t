#!/usr/bin/perl

# Back ends under way: each client's messages in their order, so many at a
# time, and nobody waits for what somebody else asked.

use warnings;
use strict;

use List::Util qw/ max /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Backend;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /))->plan(16);

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
        zone     4m;
        history  events=1000 size=1m;
        drain    500ms;

        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080 reuseport;

        conductor_auth off;
        conductor_limit_conn off;
        conductor_limit_messages off;

        location /      { conductor h; conductor_backend /back;
                          conductor_backend_concurrency 3; }
        location /one/  { conductor h; conductor_backend /one;
                          conductor_backend_concurrency 1; }
        location /soon/ { conductor h; conductor_backend /two;
                          conductor_backend_timeout 300ms; }

        location /back { proxy_pass http://127.0.0.1:8082; }
        location /one  { proxy_pass http://127.0.0.1:8083; }
        location /two  { proxy_pass http://127.0.0.1:8082; }

        location /health  { conductor_health h; }
        location /publish { conductor_publish h; }
    }
}

EOF_CONF

backend($t, 8082);
backend($t, 8083);
$t->run();
wait_for(sub { worker_pids($t) == workers() });

# order

my $ws = open_at($t, '/');

$ws->send_json({ type => 'agent:a', id => $_,
                 do => { delay => ($_ % 3 ? 0 : 0.05) } }) for 1 .. 12;
is_deeply([ map { $ws->recv_until('ack')->{id} } 1 .. 12 ], [ 1 .. 12 ],
    'a client is answered in its order');

my @asked = asked($t, 8082);
is(max(map { $_->{inflight} } @asked), 1, 'its messages go one by one');

# so many wait

$ws->send_json({ type => 'agent:a', id => $_, do => { delay => 0.3 } })
    for 1 .. 20;

my @busy = map { $ws->recv_until('error') } 1 .. 3;
is_deeply([ map { "$_->{code} $_->{id}" } @busy ],
    [ 'busy 18', 'busy 19', 'busy 20' ],
    'sixteen may wait behind the one that is under way');

is($ws->command({ type => 'ping', id => 'p' })->{type}, 'pong',
    'the hub\'s own commands do not');
is($ws->recv_until('ack')->{id}, 1, 'these come in their turn');

# somebody else

my $other = open_at($t, '/');
is($other->command({ type => 'agent:a' })->{type}, 'ack',
    'another client does not wait');
is(scalar(grep { $_->{type} eq 'ack' } @{$ws->skipped()}), 0,
    'for those of the first one');
$ws->recv_until(sub { $_->{type} eq 'ack' && $_->{id} == 17 }, 20);

# at a time

my @ws = map { open_at($t, '/') } 1 .. 12;
$_->send_json({ type => 'agent:a', id => 1, do => { delay => 0.1 } })
    for @ws;
is(scalar(grep { $_->recv_until('ack', 10) } @ws), 12, 'all are answered');
is(max(map { $_->{inflight} } asked($t, 8082)), 3,
    'as many at a time as are configured, on all workers');

@ws = map { open_at($t, '/one/') } 1 .. 8;
$_->send_json({ type => 'agent:a', id => 1, do => { delay => 0.02 } })
    for @ws;
is(scalar(grep { $_->recv_until('ack', 10) } @ws), 8,
    'where it is one, they all have their turn');
is(max(map { $_->{inflight} } asked($t, 8083)), 1, 'each alone');

# too long

my $soon = open_at($t, '/soon/');
is($soon->command({ type => 'agent:a', do => { delay => 20 } })->{code},
    'backend_timeout', 'what takes longer than it may is given up');
is($soon->command({ type => 'agent:a' })->{type}, 'ack',
    'and what is next goes on');

# a client that leaves

my $watch = open_at($t, '/');
my $left = open_at($t, '/');
$left->send_json({ type => 'agent:left', n => $_, do => { delay => 0.1,
    answer => { publish => { type => 'e', n => $_ },
                emit => { type => 'x' } } } }) for 1 .. 3;
$left->close();

is_deeply([ map { $watch->recv_until('e')->{n} } 1 .. 3 ], [ 1 .. 3 ],
    'what was said before a client left is done');

# a worker that dies

$ws = open_at($t, '/one/');
$ws->send_json({ type => 'agent:a', do => { delay => 30 } });
wait_for(sub { ((asked($t, 8083))[-1]{body}{message}{do}{delay} // 0) == 30 });

my @old = worker_pids($t);
kill 'KILL', @old;
is(($ws->expect_close())[0], 1006, 'workers die with a call under way');
wait_for(sub { my %new = map { $_ => 1 } worker_pids($t);
               keys %new == workers() && !grep { $new{$_} } @old });

$ws = open_at($t, '/one/');
is($ws->command({ type => 'agent:a' }, 10)->{type}, 'ack',
    'what it had is given back');


sub open_at {
    my ($t, $uri) = @_;
    my $s = ws_connect($t, $uri);
    $s->recv_until('welcome');
    return $s;
}
