#!/usr/bin/perl

# Metrics, read by others: promtool, a strict parser of OpenMetrics, and ten
# thousand times over.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Metrics;
use Test::Conductor::Redis;

use IO::Socket::INET;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
    ->has_daemon('promtool')->has_daemon('python3')
    ->has_daemon('redis-server'))->plan(14);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      16m;
        history   events=1000 size=1m;
        state     %%TESTDIR%%/state;
        presence  %%TESTDIR%%/tasks.db;
        redis     redis://127.0.0.1:%%PORT_8379%%;

        channel c { default on; }
        event task-status-changed { channel c; }
        event a:b.c-d_e { channel c; }
    }

    keepalive_requests    100000;
    conductor_auth        off;
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location /                   { conductor h; }
        location /publish            { conductor_publish h; }
        location /metrics/prometheus { conductor_metrics h format=prometheus; }
        location = /metrics          { conductor_metrics h; }
    }
}

EOF_CONF

my $strict = <<'EOF_PY';
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as plain
parse = text_string_to_metric_families if sys.argv[1] == 'open' else plain
print(len(list(parse(open(sys.argv[2], newline='').read()))))
EOF_PY

$t->write_file('strict.py', $strict);

my $redis = redis($t);
$t->run();

my @ws = map { ws_connect($t, '/') } 1 .. 3;
$_->recv_until('welcome') for @ws;
ok(wait_for(sub {
    value($t, 'conductor_redis_up') && value($t, 'conductor_database_up') }),
    'there are a database and a Redis');

publish($t, { type => $_ }) for ('task-status-changed', 'a:b.c-d_e') x 5;
$_->recv_until('a:b.c-d_e') for map { ($_) x 5 } @ws;

ok(wait_for(sub { value($t, 'conductor_redis_lag_seconds_count') == 10
    && value($t, 'conductor_database_commit_seconds_count') > 0 }),
    'both take their time');
ok(wait_for(sub { value($t, 'conductor_broadcast_seconds_count') == 10 }),
    'as events do, once each');

$t->write_file('open', content($t, '/metrics/prometheus',
    'application/openmetrics-text'));
$t->write_file('plain', content($t));

my $dir = $t->testdir();
my $families = families($t);

my ($good, $said) = run($t, "/usr/bin/python3 $dir/strict.py open $dir/open");
is($said, keys(%$families) . "\n", 'a strict parser takes OpenMetrics');
($good, $said) = run($t, "/usr/bin/python3 $dir/strict.py plain $dir/plain");
is($said, keys(%$families) . "\n", 'and another one the text');

($good, $said) = run($t, "promtool check metrics < $dir/plain");
is(join('', grep { !/^websocket_/ } $said =~ /^.*\n/mg), '',
    'promtool finds nothing wrong with what is called conductor');

# the page names all of them

my %page = map { $_ => 1 } map { /`((?:websocket|conductor)_\w+)`/g }
    slurp('../docs/metrics.md') =~ /^(\|.*?\|)/mg;
my %source = map { $_ => 1 } map {
    /(?:cdr_str|cdr_level\w*)\("((?:websocket|conductor)_\w+)"/g }
    map { slurp($_) } map { "../src/cdr_$_.c" }
    qw/ figures histogram metrics_level metrics_text /;

is_deeply([ sort keys %page ], [ sort keys %source ],
    'the reference has every family');
is_deeply([ grep { !$page{$_} } keys %$families ], [],
    'and the server tells of no other');

# again and again, under load

$t->run_daemon(\&load, $t);
ok(wait_for(sub { value($t, 'conductor_events_total') > 20 }),
    'somebody publishes');

scrapes($t, 1000);
my %before = map { $_ => memory($_) } worker_pids($t);
my $fds = fds($t);

my $done = scrapes($t, 9000);
is($done, 9000, 'it answers ten thousand times');

SKIP: {
    skip 'sanitizers keep memory of their own', 1
        if $t->configured() =~ /-fsanitize/;

    my @grown = grep { memory($_) > $before{$_} + 512 } keys %before;
    is("@grown", '', 'which takes no memory');
}

cmp_ok(fds($t), '<', $fds + 10, 'and no descriptors');

$t->write_file('enough', '');
ok(wait_for(sub { -e "$dir/last" }), 'clients');
my $last = $t->read_file('last');
ok(!(grep { !last_one($_, $last) } @ws), 'have had every event meanwhile');


# Publishes until it is enough, and writes down how many.
sub load {
    my ($nginx) = @_;
    my $n = 0;

    do {
        publish($nginx, { type => 'task-status-changed', n => ++$n });
    } until -e $nginx->testdir() . '/enough';

    $nginx->write_file('last.tmp', $n);
    rename $nginx->testdir() . '/last.tmp', $nginx->testdir() . '/last';
}


# Does a client get all up to the last one, in order?
sub last_one {
    my ($ws, $last) = @_;
    my $n = 0;

    while ($n < $last) {
        my $event = $ws->recv_until('task-status-changed') or return 0;
        next if !defined $event->{n};
        return 0 if $event->{n} != ++$n;
    }

    return 1;
}


sub slurp {
    my ($name) = @_;
    open my $f, '<', $name or die "$name: $!\n";
    local $/;
    return scalar <$f>;
}


# A command: success, and what it says.
sub run {
    my ($nginx, $command) = @_;
    my $text = `$command 2>&1`;
    return ($? == 0, $text);
}


# So many answers over one connection, in one format after the other.
sub scrapes {
    my ($nginx, $n) = @_;
    my @requests = map { "GET $_->[0] HTTP/1.1\r\nHost: x\r\n$_->[1]\r\n" }
        [ '/metrics', '' ], [ '/metrics/prometheus', '' ],
        [ '/metrics/prometheus', "Accept: application/openmetrics-text\r\n" ];

    my $s = IO::Socket::INET->new('127.0.0.1:' . port(8080)) or die "$!\n";
    my $got = 0;

    for my $i (1 .. $n) {
        print $s $requests[$i % 3];

        my $head = do { local $/ = "\r\n\r\n"; <$s> } // last;
        my ($len) = $head =~ /^HTTP\S+ 200.*^Content-Length: (\d+)/ms or last;
        $got += read($s, my $body, $len) == $len;
    }

    return $got;
}


# Private kilobytes of a process.
sub memory {
    my ($pid) = @_;
    open my $f, '<', "/proc/$pid/smaps_rollup" or return 1e9;
    local $/;
    return <$f> =~ /^Private_Dirty:\s+(\d+)/m ? $1 : 1e9;
}


sub fds {
    my ($nginx) = @_;
    my $sum = 0;
    $sum += fd_count($_) for worker_pids($nginx);
    return $sum;
}
