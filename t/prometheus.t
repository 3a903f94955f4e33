#!/usr/bin/perl

# A real Prometheus, with the example's configuration and alerts, scrapes a
# real server: every query of the dashboard and of the alerts is answered, and
# what it says is what clients have seen.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use JSON::PP qw//;

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Prometheus;
use Test::Conductor::Redis;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->has_daemon('redis-server')->has_daemon('prometheus')
    ->has_daemon('promtool');

# What the dashboard asks for, once for each question.

open my $f, '<', '../conf-examples/grafana/conductor.json' or die $!;
my $dashboard = JSON::PP->new->utf8->decode(do { local $/; <$f> });

my (%asked, @queries);

for my $panel (@{$dashboard->{panels}}) {
    push @queries, [ $_->{expr}, "$panel->{title}, $_->{legendFormat}" ]
        for grep { !$asked{$_->{expr}}++ } @{$panel->{targets} || []};
}

$t->plan(23 + @queries);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 32m;
        drain 0s;
        history size=1m;
        state %%TESTDIR%%/state;
        presence %%TESTDIR%%/tasks.db;
        redis redis://127.0.0.1:%%PORT_8379%%;
        channel c { default on; }
        event task-status-changed { channel c; require taskId; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_jwt_key HS256 "a secret of at least thirty-two bytes";

        location /        { conductor h; conductor_backend /b disconnect; }
        location = /b     { internal; return 204; }
        location /publish { conductor_publish h; conductor_auth off; }

        location /metrics/prometheus {
            conductor_metrics h format=prometheus;
            conductor_auth    off;
        }
    }
}

EOF_CONF

# The files themselves.

for (([ check => config => 'prometheus.yml' ]),
     ([ check => rules => 'conductor.rules.yml' ]),
     ([ test => rules => 'conductor.test.yml' ]))
{
    my ($good, $said) = promtool(@$_);
    ok($good, "promtool finds nothing wrong: @$_") or diag($said);
}

my $redis = redis($t);
$t->run();
wait_for(sub { (figures() =~ /^conductor_redis_up\{hub="h"\} 1$/m) })
    or die "Redis is not there\n";

my $prom = prometheus($t);

###############################################################################

# Clients, and what they count.

my @ws = map { person("user$_") } 1 .. 4;

is(ws_connect($t, '/', token => 'x')->status(), 401, 'one is not let in');

publish($t, { type => 'task-status-changed', taskId => $_ }) for 1 .. 10;
publish($t, { type => 'task-status-changed' });
$_->recv_until('task-status-changed') for map { ($_) x 10 } @ws;

$ws[0]->command({ type => 'nonsense' });
$ws[0]->command({ type => 'resume', since => '1-1' });
$ws[3]->close(1000);
$ws[3]->expect_close();

ok(scraped('websocket_connections_total', 3), 'the connections that there are');
ok(scraped('conductor_backend_delivered_total', 1), 'one less, as is told');
ok(scraped('websocket_message_latency_ms_count{event="task-status-changed"}',
           10), 'how long each event took');
is($prom->value('websocket_connections_count'), 4, 'of those that there were');
is($prom->value('websocket_disconnections_total{reason="normal"}'), 1,
    'but for one that has gone');
is($prom->value('websocket_messages_sent_total{event="task-status-changed"}'),
    40, 'what clients got');
is($prom->value('websocket_errors_total{type="unknown_type"}'), 1,
    'an error that one was told');
is($prom->value('conductor_handshake_refusals_total{reason="bad_token"}'), 1,
    'one that was refused');
is($prom->value('sum(conductor_authentications_total{outcome!="accepted"})'),
    1, 'for its token');
is($prom->value('conductor_events_total'), 10, 'and how many there were');

# The four queries of the dashboard that everybody knows.

my $four = join "\n", map { $_->[0] =~ s/\s+/ /gr } @queries;

like($four, qr/^\Q$_\E$/m, "a panel shows $_")
    for 'websocket_connections_total',
        'rate(websocket_messages_sent_total[5m])',
        'histogram_quantile(0.95, rate(websocket_message_latency_ms_bucket[5m])'
        . ' )',
        'rate(websocket_errors_total[5m])';

# All of them: the server has something to say to each.

for (@queries) {
    my ($query, $name) = @$_;

    $query =~ s/\$__rate_interval/1m/g;
    $query =~ s/\$(?:hub|instance)\b/.*/g;

    ok(wait_for(sub { $prom->query($query) }, 15), "it answers: $name")
        or diag("$query: " . $prom->error());
}

# The alerts and what is recorded.

my $rules = wait_for(sub {
    my $data = $prom->get('rules') or return;
    my @all = map { @{$_->{rules}} } @{$data->{groups}};

    return !(grep { $_->{health} eq 'unknown' } @all) && \@all;
});

is_deeply([ map { $_->{name} } grep { $_->{health} ne 'ok' } @$rules ], [],
    'all rules can be evaluated');
is_deeply([ map { $_->{name} } grep { @{$_->{alerts} || []} } @$rules ], [],
    'and no alert is on');

my %named = map { $_ => 1 } figures() =~ /^# TYPE (\w+)/mg;
my %used = map { s/_(?:bucket|sum|count)$//r => 1 } grep { !$named{$_} }
    (join ' ', map { $_->{query} } @$rules) =~ /(?<!:)\b((?:websocket|conductor)_\w+)/g;

is_deeply([ grep { !$named{$_} } sort keys %used ], [],
    'they name nothing that there is not');

my $shown = join ' ', map { $_->[0] } @queries;

is_deeply([ grep { $shown !~ /\b$_(?:_bucket|_count|_sum)?\b/ }
            sort keys %named ], [], 'and the dashboard shows all there is');

# A server that has gone.

$t->stop();
ok(wait_for(sub {
    my ($alert) = grep { $_->{name} eq 'ConductorDown' }
                  map { @{$_->{rules}} } @{$prom->get('rules')->{groups}};
    return $alert->{state} eq 'pending';
}, 15), 'when it has gone, an alert is about to come');


###############################################################################

sub figures {
    return (api($t, 'GET', '/metrics/prometheus'))[1] // '';
}


# Does Prometheus have this value, if not now then with its next scrapes?
sub scraped {
    my ($query, $value) = @_;

    return wait_for(sub { ($prom->value($query) // -1) == $value }, 15);
}


sub person {
    my ($name) = @_;
    my $ws = ws_connect($t, '/', token => jwt({ sub => $name, role => 'x',
            exp => time() + 600 },
        key => 'a secret of at least thirty-two bytes'));

    $ws->recv_until('welcome');
    return $ws;
}
