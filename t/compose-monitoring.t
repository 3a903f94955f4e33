#!/usr/bin/perl

# The compose file with Prometheus and Grafana: Prometheus scrapes both servers,
# which nobody else can, and knows the alerts; Grafana, which Debian lacks, is
# given files that agree with one another.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use JSON::PP qw//;

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Compose;
use Test::Conductor::Net;
use Test::Conductor::Prometheus;

select STDERR; $| = 1;
select STDOUT; $| = 1;

own_network();

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy realip /))
    ->has_daemon('redis-server')->has_daemon('prometheus')
    ->has_daemon('promtool')->has_daemon('curl')->plan(25);

my $key = 'a secret of at least thirty-two bytes';
my $token = jwt({ sub => 'ann', role => 'architect' }, key => $key);

my ($good, $said) = promtool(qw/ check config several.yml /);

ok($good, 'promtool finds nothing wrong') or diag($said);

my $c = compose($t, [ map { "conf-examples/compose-$_.yaml" }
                          qw/ several monitoring / ], JWT_SECRET => $key);
my ($redis, $first, $second, $monitor) = map { $c->service($_) }
    qw/ redis app-server-1 app-server-2 prometheus /;

$monitor->instead('/etc/prometheus/prometheus.yml',
                  sub { s/(_interval: )15s/${1}1s/g });
$c->up();

###############################################################################

# What Prometheus finds.

my $prom = prometheus_at($t, 9090);

ok(wait_for(sub { ($prom->value('sum(up{job="conductor"})') // 0) == 2 }, 20),
   'Prometheus scrapes two servers') or diag($monitor->err());
is_deeply([ sort map { $_->{metric}{instance} } $prom->query('up') ],
          [ 'app-server-1:5111', 'app-server-2:5111' ], 'by their names');

my @ws = map { ws_connect(port(80), '/', peer => '192.0.2.1', token => $token,
                          source => "192.0.2.2$_") } 1 .. 4;

$_->recv_until('welcome') for @ws;

ok(wait_for(sub {
    ($prom->value('sum(websocket_connections_total)') // 0) == 4
}), 'clients that the balancer brings are counted, once each');
ok(wait_for(sub {
    2 == grep { $_->{value} == 2 } $prom->query('conductor_servers')
}), 'each knows that they are two');

my @rules = @{wait_for(sub {
    my $data = $prom->get('rules') or return;
    my @all = map { @{$_->{rules}} } @{$data->{groups}};

    return @all && !(grep { $_->{health} eq 'unknown' } @all) && \@all;
}) || []};
my $written = () = slurp('prometheus/conductor.rules.yml')
                   =~ /^ +- (?:alert|record): /mg;

is(scalar(@rules), $written, 'every rule of the file is there');
is_deeply([ map { $_->{name} } grep { $_->{health} ne 'ok' } @rules ], [],
    'and can be evaluated');

note('result: Prometheus: ', scalar($prom->query('up == 1')), ' servers up, ',
     scalar(grep { $_->{health} eq 'ok' } @rules), " of $written rules in use");

# Who may read the figures.

my $figures = '/metrics/prometheus';

is(seen($monitor, $figures), 200, 'Prometheus may read the figures');
is(seen($monitor, '/admin/connections'), 403, 'and administer nothing');
is(seen($redis, $figures), 403, 'a neighbour may not');
is(seen($first, $figures, 'localhost'), 200, 'but the server itself');
is(seen($monitor, $figures, 'nginx:80'), 403,
    'nor Prometheus by way of the balancer');
is(seen($monitor, $figures, undef, '-H', "X-Forwarded-For: $_"), 403,
    "nor for $_") for '127.0.0.1', $monitor->address();

for my $port (80, 5111) {
    is((api($t, 'GET', $figures, peer => '192.0.2.1', port => $port,
            headers => [ 'X-Forwarded-For: ' . $monitor->address() ]))[0], 403,
       "nor anybody outside by port $port");
}

is(api($t, 'GET', '/-/ready', peer => '192.0.2.1', port => 9090), undef,
    'Prometheus is for this machine alone');

# A server that has gone.

$second->kill();
ok(wait_for(sub {
    my ($alert) = grep { $_->{name} eq 'ConductorDown' }
                  map { @{$_->{rules}} } @{$prom->get('rules')->{groups}};
    my ($of) = @{$alert->{alerts}};

    return $of && $of->{labels}{instance} eq 'app-server-2:5111';
}, 15), 'when a server is gone, its alert is about to come');

###############################################################################

# Grafana: what it is given.

my $grafana = $c->service('grafana');
my %at = map { $_->{target} => $_->{source} } $grafana->mounts();
my ($provided) = grep { /provisioning$/ } keys %at;

is($provided, '/etc/grafana/provisioning', 'Grafana is provisioned');

my ($source) = map { @{$_->{datasources}} } yaml('datasources');
my ($provider) = map { @{$_->{providers}} } yaml('dashboards');
my ($name, $port) = $source->{url} =~ m{^http://([^:/]+):(\d+)$};

is($source->{type}, 'prometheus', 'with a source of data');
is($c->service($name), $monitor, 'which is the Prometheus of the file');
is((api($t, 'GET', '/-/ready', port => $port))[0], 200, 'on its port');

my ($dashboard) = grep { m{^\Q$provider->{options}{path}\E/[^/]+\.json$} }
                  keys %at;

ok($dashboard, 'and with a dashboard where it looks for them');

# its queries are asked in prometheus.t

my $shown = JSON::PP->new->utf8->decode(read_all($at{$dashboard}));
my ($variable) = grep { $_->{type} eq 'datasource' }
                 @{$shown->{templating}{list}};

is($variable->{query}, $source->{type}, 'that takes such a source');
is_deeply([ grep { !-e $_ } map { $_->{source} } grep { !$_->{named} }
            map { $_->mounts() } values %{$c->{name}} ], [],
    'every file that is mounted is there');

###############################################################################

# The status that a service gets from the first server, or where it asks.
sub seen {
    my ($s, $path, $at, @more) = @_;
    $at //= 'app-server-1';
    $at .= ':5111' if $at !~ /:/;

    return ($s->exec('curl', '-s', '-o', '/dev/null', '-w', '%{http_code}',
                     @more, "http://$at$path"))[1];
}


# The files of a kind that Grafana is provisioned with.
sub yaml {
    my ($kind) = @_;
    return map { YAML::XS::LoadFile($_) } glob "$at{$provided}/$kind/*.yaml";
}


sub slurp {
    my ($name) = @_;
    return read_all("../conf-examples/$name");
}


sub read_all {
    my ($path) = @_;

    open my $f, '<', $path or die "$path: $!\n";
    return do { local $/; <$f> };
}
