package Test::Client;

# What tests of the browser package need: its tools, and what was built.

use warnings;
use strict;

use parent 'Exporter';

use Cwd qw/ abs_path /;
use File::Basename qw/ dirname /;
use Test::More qw//;

our @EXPORT = qw/ $CLIENT need_packages node bundle /;

our $CLIENT = abs_path(dirname(__FILE__) . '/../../../client');


# Skips the file unless npm's packages are there ("make client").
sub need_packages {
    Test::More::plan(skip_all => 'the packages of client/ are not installed')
        unless -e "$CLIENT/node_modules/.installed" && -d "$CLIENT/dist";
}


# node(ARGUMENT...): runs Node in client/, or a program of node_modules that is
# named as "vite/bin/vite.js": (its exit status, what it said).
sub node {
    my ($program, @arguments) = @_;

    $program = "$CLIENT/node_modules/$program"
        if -e "$CLIENT/node_modules/$program";

    my $pid = open my $out, '-|';
    defined $pid or die "fork: $!\n";

    if (!$pid) {
        chdir $CLIENT or die "$CLIENT: $!\n";
        open STDERR, '>&', \*STDOUT;
        exec 'node', $program, @arguments
            or die "node: $!\n";
    }

    my $said = do { local $/; <$out> } // '';
    close $out;

    return ($?, $said);
}


# A script with all that it imports, from the text of a module; without
# "external" ones.
sub bundle {
    my ($source, @external) = @_;
    my ($status, $text) = node('scripts/bundle.js', $source, @external);

    die "cannot bundle: $text\n" if $status;
    return $text;
}


1;
