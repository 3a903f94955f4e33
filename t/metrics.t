#!/usr/bin/perl

# Metrics: what is told to Prometheus and as JSON is what clients counted.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Metrics;

use JSON::PP;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(46);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     8m;
        history  events=1000 size=2m;
        name     here;
        drain    1s;

        channel c { default on; }
        channel quiet { }

        event task-status-changed { channel c; require n; }
        event unheard { channel quiet; }
    }

    conductor_hub other { zone 4m; history events=100 size=64k; }

    conductor_auth        off;
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080 sndbuf=4k;

        location /        { conductor h; }
        location /slow    { conductor h; conductor_max_queue 1m; }
        location /one     { conductor h; conductor_limit_conn 1 key=one; }
        location /publish { conductor_publish h; }

        location /token {
            conductor h;
            conductor_jwt_key HS256 'the secret, which is 32 octets or longer';
        }

        location = /metrics          { conductor_metrics h; }
        location = /json             { conductor_metrics h format=json; }
        location /metrics/prometheus { conductor_metrics h format=prometheus; }
        location = /metrics/other {
            conductor_metrics other format=prometheus;
        }

        location = /metrics/admin {
            conductor_metrics h;
            conductor_jwt_key HS256 'the secret, which is 32 octets or longer';
            conductor_require_role admin;
        }
    }
}

EOF_CONF

$t->run();

# which formats

my $plain = 'text/plain; version=0.0.4; charset=utf-8';
my $open = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
my $om = 'application/openmetrics-text';

is(type($t, '/metrics'), 'application/json', 'metrics come as JSON');
is(type($t, '/json'), 'application/json', 'also if that is said');
is(type($t, '/metrics/prometheus'), $plain, 'or as text');
is(type($t, '/metrics/prometheus', $om), $open, 'of OpenMetrics for who asks');
is(type($t, '/metrics/prometheus', "text/plain, $om;q=0.9"), $plain,
    'unless plain text is wanted more');
is(type($t, '/metrics/prometheus', "$om;q=0.5, text/*;q=0.5"), $open,
    'and not just as much');
is(type($t, '/metrics/prometheus', "$om; version=9.9.9"), $plain,
    'or it is another version');
is(type($t, '/metrics', $om), 'application/json', 'JSON is JSON');

like(http("POST /metrics HTTP/1.0\r\nHost: localhost\r\n"
    . "Content-Length: 1\r\n\r\n1"), qr/^HTTP\S+ 405 /, 'nothing is posted');
like(http_head('/metrics/prometheus'), qr/Content-Length: [1-9]\d*\r\n.*\r\n\r\n\z/s,
    'HEAD has no body');
like(http_get('/metrics/admin'), qr/^HTTP\S+ 401 /, 'it can ask for a token');
like(get($t, '/metrics/admin', 'Authorization: Bearer ' . token(role => 'x')),
    qr/^HTTP\S+ 403 /, 'and for a role');
like(get($t, '/metrics/admin', 'Authorization: Bearer '
    . token(role => 'admin')), qr/^HTTP\S+ 200 /, 'which may read it');

# the eight names

my $families = families($t);

is_deeply({ map { $_ => $families->{$_}{type} } grep { /^websocket_/ }
    keys %$families }, {
        websocket_connections_total => 'gauge',
        websocket_connections_count => 'counter',
        websocket_disconnections_total => 'counter',
        websocket_messages_sent_total => 'counter',
        websocket_messages_received_total => 'counter',
        websocket_message_latency_ms => 'histogram',
        websocket_errors_total => 'counter',
        websocket_active_sessions => 'gauge',
    }, 'there are eight families, each of its kind');

is_deeply([ grep { $_->{labels}{hub} ne 'h' } map { @{$_->{samples}} }
    values %$families ], [], 'every series has its hub');
is_deeply([ grep { $_ !~ /^(websocket|conductor)_/ } keys %$families ], [],
    'others are called conductor');
is_deeply([ grep { !$families->{$_}{help} } keys %$families ], [],
    'each says what it is');

my $buckets = { map { $_->{labels}{le} => 1 } grep { $_->{name} =~ /_bucket$/ }
    @{$families->{websocket_message_latency_ms}{samples}} };
is_deeply([ grep { !$buckets->{$_} } 1, 5, 10, 25, 50, 100, 250, 500, 1000,
    '+Inf' ], [], 'the latency has its buckets');

my $strict = families($t, '/metrics/prometheus', $om);
is($strict->{websocket_connections_count}{type}, 'unknown',
    'in OpenMetrics the count of connections is of no known type');
is($strict->{websocket_connections_total}{type}, 'gauge', 'that of now a gauge');
is($strict->{websocket_disconnections}{type}, 'counter',
    'and a counter is called without its suffix');
like((content($t, '/metrics/prometheus', $om)), qr/\n# EOF\n\z/,
    'which ends with an end');

is_deeply([ sort map { $_->{name} } map { @{$_->{samples}} } values %$strict ],
    [ sort map { $_->{name} } map { @{$_->{samples}} } values %$families ],
    'samples have the same names');

# what clients count

my @ws = map { ws_connect($t, '/') } 1 .. 5;
$_->recv_until('welcome') for @ws;
$_->command({ type => 'ping' }) for @ws, @ws;
$ws[0]->command({ type => 'nonsense' });

my @one = map { ws_connect($t, '/one') } 1 .. 2;
ws_connect($t, '/token', @$_) for [], [ token => token(exp => time() - 1) ],
    [ token => 'x' ], [ token => token() ];

publish($t, { type => 'task-status-changed', n => $_ }) for 1 .. 7;
publish($t, [ map { { type => 'unheard' } } 1 .. 3 ]);
publish($t, { type => 'task-status-changed' });

for my $ws (@ws) {
    $ws->recv_until('task-status-changed') for 1 .. 7;
    $ws->sync();
}

my $sum = sub { value($t, @_) };
ok(wait_for(sub { $sum->('conductor_broadcast_seconds_count') == 10 }),
    'each event is observed when it has been sent');
is($sum->('websocket_message_latency_ms_count',
    event => 'task-status-changed'), 7, 'once, by its type');
is($sum->('websocket_message_latency_ms_count', event => 'unheard'), 3,
    'whoever hears it');
cmp_ok($sum->('websocket_message_latency_ms_sum'), '>', 0, 'it takes time');

my $there = $sum->('websocket_connections_total');
cmp_ok($there, '>=', 5, 'connections are those there are');
is($sum->('websocket_connections_count') -
    $sum->('websocket_disconnections_total'), $there,
    'those that came, less those that went');
is($sum->('websocket_messages_sent_total', event => 'task-status-changed'),
    7 * $there, 'messages are counted as clients got them');
is($sum->('websocket_messages_received_total', event => 'ping'), 10,
    'and sent them');
is($sum->('websocket_errors_total', type => 'unknown_type'), 1,
    'errors by their code');
is($sum->('conductor_handshake_refusals_total', reason => 'address_limit'), 1,
    'refusals by their reason');
is_deeply([ map { $sum->('conductor_authentications_total', outcome => $_) }
    qw/ accepted missing invalid expired revoked / ], [ 3, 2, 1, 1, 0 ],
    'identities by what was found');
is($sum->('conductor_publications_refused_total', reason => 'invalid'), 1,
    'publications that are refused');
is($sum->('conductor_events_total'), 10, 'and those that are not');

# the same as JSON

my $json = decode_json(content($t, '/metrics'));
is($json->{websocket_messages_sent_total}{'task-status-changed'}, 7 * $there,
    'JSON has the same names');
my $latency = $json->{websocket_message_latency_ms};
ok($latency->{count} == 10 && $latency->{p50} > 0
    && $latency->{p50} <= $latency->{p95} && $latency->{p95} <= $latency->{p99},
    'and quantiles');
is($latency->{event}{unheard}{count}, 3, 'by event too');
is($json->{conductor_broadcast_seconds}, undef, 'told once');

# who is behind

$_->close(1000) for @ws, $one[0];
ok(wait_for(sub { $sum->('websocket_connections_total') == 0 }),
    'clients leave');

my $slow = ws_connect($t, '/slow', rcvbuf => 2048, read_along => 0);
$slow->recv_until('welcome');
publish($t, [ map { { type => 'task-status-changed', n => $_,
    s => 'x' x 2000 } } 1 .. 100 ]);

ok(wait_for(sub { $sum->('conductor_broadcast_seconds_count') == 110 }),
    'nobody waits for who is behind');
my ($bytes, $messages) = map { $sum->("conductor_queue_$_") }
    qw/ bytes messages /;
ok($messages > 0 && $bytes > 2000 * ($messages - 1) && $messages <= 100,
    'what waits for it is told') or diag("$bytes $messages");
is($sum->('conductor_slow_consumers'), 1, 'and that it is one client');

$slow->drop();
ok(wait_for(sub { !grep { $sum->("conductor_$_") } qw/ queue_bytes
    queue_messages slow_consumers / }), 'and goes with it');

is(value($t, '/metrics/other', 'conductor_events_total'), 0,
    'each hub has its own');


sub token {
    return jwt({ sub => 'ann', exp => time() + 60, @_ },
               key => 'the secret, which is 32 octets or longer');
}
