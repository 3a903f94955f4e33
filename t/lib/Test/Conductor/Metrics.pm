package Test::Conductor::Metrics;

# What /metrics answers, read as Prometheus reads it.

use warnings;
use strict;

use Exporter qw/ import /;

use Test::Nginx qw/ http http_content /;

our @EXPORT = qw/ content families get type value /;

my $prometheus = '/metrics/prometheus';


# get($t, $path, @headers): an answer with its head.
sub get {
    my ($t, $path, @headers) = @_;

    return http(join("\r\n", "GET $path HTTP/1.0", 'Host: localhost',
                     @headers) . "\r\n\r\n");
}


# content($t, $path, $accept): its body.
sub content {
    my ($t, $path, $accept) = @_;

    return http_content(get($t, $path // $prometheus,
                            $accept ? "Accept: $accept" : ()));
}


# type($t, $path, $accept): its Content-Type.
sub type {
    my ($t, $path, $accept) = @_;

    my ($type) = get($t, $path, $accept ? "Accept: $accept" : ())
        =~ /^Content-Type: (.*?)\r?$/mi;

    return $type;
}


# families($t, $path, $accept): name => { type, help, samples => [ { name,
# labels => { ... }, value } ] }.  Dies of what is no such text.
sub families {
    my ($t, $path, $accept) = @_;
    my (%families, $family);

    for (split /\n/, content($t, $path, $accept)) {

        if (/^# HELP (\w+) (.*)$/) {
            die "$1 comes twice\n" if $families{$1};
            $family = $families{$1} = { help => $2, samples => [] };

        } elsif (/^# TYPE (\w+) (\w+)$/) {
            $families{$1}{type} = $2;

        } elsif (/^(\w+)\{(.*)\} (\d+(?:\.\d+)?)$/) {
            my ($name, $labels, $value) = ($1, $2, $3);
            my %labels = $labels =~ /(\w+)="((?:\\.|[^"\\])*)"(?:,|$)/g;
            push @{$family->{samples}},
                { name => $name, labels => \%labels, value => $value };

        } elsif ($_ ne '# EOF') {
            die "not a line of metrics: $_\n";
        }
    }

    return \%families;
}


# value($t, [ $path, ] $name, %labels): the sum of the samples with this name
# and these labels; undef if there is none.
sub value {
    my $t = shift;
    my $path = $_[0] =~ m{^/} ? shift : undef;
    my ($name, %labels) = @_;
    my $sum;

    for my $sample (map { @{$_->{samples}} } values %{families($t, $path)}) {
        next if $sample->{name} ne $name;
        next if grep { ($sample->{labels}{$_} // '') ne $labels{$_} }
                     keys %labels;
        $sum += $sample->{value};
    }

    return $sum;
}


1;
