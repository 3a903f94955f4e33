#!/usr/bin/perl

# How much of the package a page has to load, and what it never loads.

use warnings;
use strict;

use IO::Compress::Gzip qw/ gzip $GzipError /;
use Test::More;

use lib 't/lib';
use Test::Client;

need_packages();

my $QUEUE = qr/aivo_websocket_queue/;

my $core = bundle("import { createClient } from './dist/index.js';"
    . ' globalThis.start = createClient;');

cmp_ok(compressed($core), '<', 6 * 1024, 'the core takes less than 6 KB');
note(compressed($core), ' bytes');
unlike($core, $QUEUE, 'and has in it nothing of a queue');

like(bundle("import { createQueue } from './dist/index.js';"
    . ' globalThis.start = createQueue;'), $QUEUE, 'which a queue has');


# What was downloaded, and from where, is nobody's business; the React of
# test/ is a directory here.

unlike(slurp("$CLIENT/package-lock.json"), qr/"resolved": "(?!test\/)|registry/,
    'the lock file holds no address to download from');

done_testing();


sub compressed {
    my ($text) = @_;

    gzip(\$text => \my $out, -Level => 9) or die "$GzipError\n";
    return length $out;
}


sub slurp {
    my ($name) = @_;
    open my $fh, '<:raw', $name or die "$name: $!\n";
    local $/;
    return scalar <$fh>;
}
