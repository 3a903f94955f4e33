#!/usr/bin/perl

# The dashboard that is in the repository is the one that is built from it, and
# small.

use warnings;
use strict;

use File::Find qw/ find /;
use File::Temp qw/ tempdir /;
use IO::Compress::Gzip qw/ gzip $GzipError /;
use Test::More;

use lib 't/lib';
use Test::Client;

need_packages();

my $DASHBOARD = "$CLIENT/../share/dashboard";

my %committed = files($DASHBOARD);
my $sum = 0;

$sum += compressed($_) for values %committed;
cmp_ok($sum, '<', 120 * 1024, 'the dashboard takes less than 120 KB');
note("$sum bytes");

my $made = tempdir(CLEANUP => 1);
my ($status, $said) = node('vite/bin/vite.js', 'build',
    'dashboard', '--outDir', $made, '--emptyOutDir', '--logLevel', 'warn');
is($status, 0, 'the dashboard builds') or diag($said);

my %rebuilt = files($made);

is_deeply([ sort keys %committed ], [ sort keys %rebuilt ],
    'the files in the repository are those that are built');

is_deeply([ grep { $committed{$_} ne ($rebuilt{$_} // '') }
    sort keys %committed ], [], 'and none is another (if one is: make dashboard)');

done_testing();


sub compressed {
    my ($text) = @_;

    gzip(\$text => \my $out, -Level => 9) or die "$GzipError\n";
    return length $out;
}


# The files below a directory, by their names in it.
sub files {
    my ($dir) = @_;
    my %found;

    find({ no_chdir => 1, wanted => sub {
        $found{s{^\Q$dir\E/}{}r} = slurp($_) if -f;
    } }, $dir);

    return %found;
}


sub slurp {
    my ($name) = @_;
    open my $fh, '<:raw', $name or die "$name: $!\n";
    local $/;
    return scalar <$fh>;
}
