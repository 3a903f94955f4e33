#!/usr/bin/perl

# The page of what the package exports says what its comments say, of all of
# it.

use warnings;
use strict;

use File::Temp qw/ tempdir /;
use Test::More;

use lib 't/lib';
use Test::Client;

need_packages();

my $page = tempdir(CLEANUP => 1) . '/api.md';
my ($status, $said) = node('scripts/api.js', $page);

is($status, 0, 'what is exported has comments, whose links lead somewhere')
    or diag($said);

is(slurp($page), slurp("$CLIENT/../docs/client-api.md"),
    'docs/client-api.md is up to date (if not: make api)');

done_testing();


sub slurp {
    my ($name) = @_;
    open my $fh, '<', $name or return '';
    local $/;
    return scalar <$fh>;
}
