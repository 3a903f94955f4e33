#!/usr/bin/perl

# The types and the unit tests of the package, each as a test of its own.

use warnings;
use strict;

use File::Temp qw/ tempdir /;
use JSON::PP qw//;
use Test::More;

use lib 't/lib';
use Test::Client;

need_packages();

my ($status, $said) = node('typescript/lib/tsc.js', '-p', 'tsconfig.json');
is($status, 0, 'every type is right') or diag($said);

my $file = tempdir(CLEANUP => 1) . '/report.json';

($status, $said) = node('vitest/vitest.mjs', 'run', '--reporter=json',
    "--outputFile=$file", '--silent');

my $report = -s $file ? JSON::PP->new->decode(slurp($file)) : {};

for my $suite (@{$report->{testResults} || []}) {
    my ($name) = $suite->{name} =~ m{/test/(.*)};
    my @tests = @{$suite->{assertionResults}};

    fail("$name has tests"), diag($suite->{message}) unless @tests;
    outcome($name, $_) for @tests;
}

is($status, 0, 'and nothing failed beside them') or diag($said);

done_testing();


sub outcome {
    my ($name, $test) = @_;

    SKIP: {
        skip("$name: $test->{fullName}", 1)
            if $test->{status} =~ /^(?:pending|skipped|todo|disabled)$/;

        ok($test->{status} eq 'passed', "$name: $test->{fullName}")
            or diag(join "\n", @{$test->{failureMessages}});
    }
}


sub slurp {
    my ($name) = @_;
    open my $fh, '<', $name or die "$name: $!\n";
    local $/;
    return scalar <$fh>;
}
