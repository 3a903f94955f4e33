#!/usr/bin/perl

# The React part with the oldest React that it takes, and with the newest: what
# a server renders, and what becomes of a page in StrictMode.

use warnings;
use strict;

use File::Temp qw/ tempdir /;
use JSON::PP qw//;
use Test::More;

use lib 't/lib';
use Test::Client;

need_packages();

my $react;

for ([ 18, "$CLIENT/test/react-18/node_modules" ],
    [ 19, "$CLIENT/node_modules" ])
{
    ($react, my $packages) = @$_;

    my $project = project($packages);
    my $server = run($project, 'server.mjs');

    like($server->{version}, qr/^$react\./, "React $react is tested");
    like($server->{html}, qr/Waiting for the list.*Offline/s,
        'a server renders the components');
    is_deeply($server->{said}, [], 'without a word');

    local $ENV{HTML} = $server->{html};
    my $page = run($project, 'page.mjs');

    is_deeply($page->{sockets}, [ 1, 2 ],
        'a page takes that over, with one connection at a time');
    like($page->{text},
        qr/connected.*ann \(you\).*bob.*(?:Excellent|Good|Fair|Poor).*T1/s,
        'by which it learns all that it shows');
    is($page->{waiting}, 1, 'without a connection, what is sent waits');
    is($page->{answer}, 'ack', 'and is done when there is one');
    is($page->{left}, 0, 'with the page the connection ends');
    is_deeply($page->{said}, [], 'and React has nothing to complain of');
}

done_testing();


# A directory with programs, the package, and the React of some directory.
sub project {
    my ($packages) = @_;
    my $dir = tempdir(CLEANUP => 1);
    my $own = "$dir/node_modules/ngx-conductor-client";

    mkdir "$dir/node_modules";
    mkdir $own;
    system('cp', '-r', "$CLIENT/dist", "$CLIENT/package.json", $own) == 0
        or die "cp failed\n";

    symlink "$packages/$_", "$dir/node_modules/$_" or die "$_: $!\n"
        for qw/ react react-dom /;

    system('cp', glob("$CLIENT/test/react-18/*.mjs"), $dir) == 0
        or die "cp failed\n";

    return $dir;
}


# What a program says.
sub run {
    my ($dir, $program) = @_;

    local $ENV{CLIENT} = $CLIENT;
    local $ENV{NODE_ENV} = 'development';

    my ($status, $said) = node("$dir/$program");

    return JSON::PP->new->decode($said) if $status == 0;

    diag($said);
    return {};
}
