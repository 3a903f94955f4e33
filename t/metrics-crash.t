#!/usr/bin/perl

# Metrics under load, over a reload and crashes of workers: still what clients
# counted, and never less than before.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(16);

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
        zone     8m;
        history  events=5000 size=2m;
        drain    1s;

        channel c { default on; }
        event e { channel c; }
        event f { channel c; }
    }

    conductor_auth        off;
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location /                   { conductor h; }
        location /publish            { conductor_publish h; }
        location /health             { conductor_health h; }
        location /metrics            { conductor_metrics h; }
        location /metrics/prometheus { conductor_metrics h format=prometheus; }
    }
}

EOF_CONF

$t->run();

my $many = many_clients($t, 40, header => 'X-Worker');
is($many->open_count(), 40, 'forty clients come');

# load

for my $i (1 .. 50) {
    publish($t, [ map { { type => $_ % 2 ? 'e' : 'f' } } 1 .. 10 ]);
}

ok($many->wait_each(250, 'e') && $many->wait_each(250, 'f'),
    'each gets five hundred events');
ok(wait_for(sub { value($t, 'conductor_broadcast_seconds_count') == 500 }),
    'of which each is observed once');
is_deeply([ map { value($t, 'websocket_message_latency_ms_count',
    event => $_) } qw/ e f / ], [ 250, 250 ], 'by its type');
is_deeply([ map { value($t, 'websocket_messages_sent_total', event => $_) }
    qw/ e f / ], [ 40 * 250, 40 * 250 ], 'and sent to each');

# a crash

my $last = counters($t);
my ($victim) = worker_pids($t);

kill 'KILL', $victim;
ok(wait_for(sub { my @pids = worker_pids($t);
    @pids == workers() && !grep { $_ == $victim } @pids }),
    'a worker is killed');
$many->run_until(sub {
    $many->open_count() == value($t, 'websocket_connections_total') });

is(value($t, 'websocket_connections_total'), $many->open_count(),
    'the connections are those that are left');
is(value($t, 'websocket_disconnections_total', reason => 'lost'),
    40 - $many->open_count(), 'the others are counted as lost');
is_deeply([ back($t, $last) ], [], 'no counter went back');

my $more = many_clients($t, 10);
publish($t, { type => 'e' }) for 1 .. 10;
$more->wait_each(10, 'e');
ok(wait_for(sub { value($t, 'conductor_broadcast_seconds_count') == 510 }),
    'what comes after it is observed as before');

# a reload

$last = counters($t);
my @old = reload_workers($t);
$_->run_until(sub { 1 }, 1) for $many, $more;

publish($t, { type => 'e' }) for 1 .. 10;
ok(wait_for(sub { value($t, 'conductor_broadcast_seconds_count') == 520 }),
    'old and new workers share it');

ok($many->run_until(sub { !$many->open_count() }, 15)
    && $more->run_until(sub { !$more->open_count() }, 15)
    && wait_gone(\@old), 'the old ones leave');
is_deeply([ back($t, $last) ], [], 'no counter went back');

my $fresh = many_clients($t, 5);
publish($t, { type => 'f' });
ok($fresh->wait_each(1, 'f') && wait_for(sub {
    value($t, 'conductor_broadcast_seconds_count') == 521 }),
    'and the new ones go on');

is_deeply({ map { $_ => value($t, "conductor_$_") }
    qw/ queue_bytes queue_messages slow_consumers draining / },
    { queue_bytes => 0, queue_messages => 0, slow_consumers => 0,
      draining => 0 }, 'gauges are those of who is there');

# each figure of the health is one of these

my %names = (connectionsTotal => 'websocket_connections_count',
    disconnections => 'websocket_disconnections_total',
    refused => 'conductor_handshake_refusals_total',
    messagesReceived => 'websocket_messages_received_total',
    messagesSent => 'websocket_messages_sent_total',
    errors => 'websocket_errors_total',
    dropped => 'conductor_dropped_messages_total',
    droppedBytes => 'conductor_dropped_bytes_total',
    events => 'conductor_events_total');

my $json = decode_json(content($t, '/metrics'));
my $figures = (health($t, path => '/health?figures=1'))[1]{figures};

is_deeply({ map { $_ => some($json->{$names{$_}}) } keys %$figures },
    $figures, 'the health tells the same figures');


# Counters, as name and labels => value.
sub counters {
    my ($nginx) = @_;
    my %counters;

    for my $family (grep { $_->{type} ne 'gauge' }
                    values %{families($nginx)})
    {
        for my $s (@{$family->{samples}}) {
            my $labels = join ',', map { "$_=$s->{labels}{$_}" }
                         sort keys %{$s->{labels}};
            $counters{"$s->{name}\{$labels}"} = $s->{value};
        }
    }

    return \%counters;
}


# Those that went back.
sub back {
    my ($nginx, $before) = @_;
    my $now = counters($nginx);
    return grep { ($now->{$_} // -1) < $before->{$_} } sort keys %$before;
}


# What is not 0.
sub some {
    my ($value) = @_;
    return $value if !ref $value;
    return { map { $value->{$_} ? ($_ => $value->{$_}) : () } keys %$value };
}
