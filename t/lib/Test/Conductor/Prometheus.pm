package Test::Conductor::Prometheus;

# A real Prometheus, as an example configures it.

use warnings;
use strict;

use Exporter qw/ import /;

use Test::Conductor qw/ api wait_for /;
use Test::Nginx qw//;

our @EXPORT = qw/ prometheus prometheus_at promtool /;

my $dir = '../conf-examples/prometheus';


# prometheus($t, %opt): conf-examples/prometheus/ against the server of the
# test, started, and scraping it every second.
#
#     port   => 8390        as the configuration calls it
#     target => 8080        likewise, where the figures are
#     node   => 'node-1'    what it is called
sub prometheus {
    my ($t, %opt) = @_;
    my $self = bless { t => $t, port => $opt{port} // 8390 },
               __PACKAGE__;

    my $target = '127.0.0.1:' . Test::Nginx::port($opt{target} // 8080);
    my $listen = '127.0.0.1:' . Test::Nginx::port($self->{port});
    my $conf = slurp("$dir/prometheus.yml");

    $conf =~ s/'localhost:5111'/'$target'/ or die "no target in it\n";
    $conf =~ s/(_interval: )15s/${1}1s/g;

    $t->write_file('prometheus.yml', $conf);
    $t->write_file('conductor.rules.yml', slurp("$dir/conductor.rules.yml"));

    my $at = $t->testdir();

    $t->run_daemon('sh', '-c', 'exec "$@" > ' . "$at/prometheus.log 2>&1",
                   'sh', 'prometheus', "--config.file=$at/prometheus.yml",
                   "--storage.tsdb.path=$at/prometheus",
                   "--web.listen-address=$listen");

    wait_for(sub { $self->query('up{job="conductor"} == 1') }, 30)
        or die "Prometheus does not scrape: see prometheus.log\n";

    return $self;
}


# One that something else has started, where this port leads.
sub prometheus_at {
    my ($t, $port) = @_;
    return bless { t => $t, port => $port }, __PACKAGE__;
}


# promtool(@arguments), in the directory of the examples: (success, output).
sub promtool {
    my $pid = open my $pipe, '-|';

    die "cannot fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        chdir $dir;
        exec 'promtool', @_ or exit 127;
    }

    my $said = do { local $/; <$pipe> };
    return (close $pipe ? 1 : 0, $said);
}


# GETs a path of its API: the decoded data, or undef with the reason in error().
sub get {
    my ($self, $path) = @_;
    my ($code, $said) = api($self->{t}, 'GET', "/api/v1/$path",
                            port => $self->{port});

    $self->{error} = ref $said ? $said->{error} : $said;
    return ($code // 0) == 200 ? $said->{data} : undef;
}


sub error { $_[0]{error} // 'no answer' }


# What a query answers: a list of { metric => {...}, value => N }; nothing if
# it failed, with the reason in error().
sub query {
    my ($self, $query) = @_;

    $query =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ge;
    my $data = $self->get("query?query=$query") or return;

    return map { { metric => $_->{metric}, value => $_->{value}[1] } }
           @{$data->{result}};
}


# The one value that a query answers, or undef.
sub value {
    my ($self, $query) = @_;
    my @got = $self->query($query);

    return @got == 1 ? $got[0]{value} : undef;
}


sub slurp {
    my ($name) = @_;

    open my $f, '<', $name or die "$name: $!\n";
    return do { local $/; <$f> };
}


1;
