#!/usr/bin/perl

# The formulas of docs/operations.md for zone and history, against what
# "nginx -t" prints and what a server holds.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use JSON::PP;
use List::Util qw/ min sum /;
use POSIX qw/ ceil sysconf _SC_PAGESIZE /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

use constant MB => 1024 * 1024;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /));

plan(skip_all => 'sizes are those of pages of 4k')
    if sysconf(_SC_PAGESIZE) != 4096;

$t->plan(26);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub bytes {
        zone     8m;
        history  events=10000 size=64k;

        channel tasks { default on; }
        event task-status-changed { channel tasks; }
    }

    conductor_hub events {
        zone     8m;
        history  events=64 size=1m;

        channel tasks { default on; }
        event task-status-changed { channel tasks; }
    }

    conductor_auth            off;
    conductor_limit_conn      off;

    server {
        listen 127.0.0.1:8080;

        location /bytes          { conductor bytes; }
        location /bytes/publish  { conductor_publish bytes; }
        location /events         { conductor events; }
        location /events/publish { conductor_publish events; }
    }
}

EOF_CONF

my $page = page();


# The zone.

my ($factor, $index, $fixed) = $page =~
    /^zone = ([\d.]+) \* \(clients \* each \+ size \+ (\d+) \* events \+ ([\d.]+)m\)$/m;
my %each;
@each{'off', 'memory'} = $page =~
    /^- `each` is (\d+) bytes, with \[presence\]\(presence\.md\) (\d+), and/m;

ok($factor && $each{memory}, 'the page has a formula for the zone');

my @rows = $page =~
    /^\| ([\d,]+) \| `events=(\d+) size=(\d+)m`[^|]*\| (\d+)m \| (\d+)m \|$/mg;

cmp_ok(scalar @rows, '>=', 20, 'and a table');

while (my ($clients, $events, $size, @zones) = splice @rows, 0, 5) {
    $clients =~ tr/,//d;

    for my $presence ('off', 'memory') {
        my $zone = $factor * ($clients * $each{$presence} + $size * MB
                              + $index * $events + $fixed * MB);
        my $row = "$clients clients, events=$events, presence $presence";

        is(shift @zones, ceil($zone / MB) . '', "$row: as by the formula");

        my ($capacity, $bytes, $history) = holds($t, ceil($zone / 4096) * 4,
            "events=$events size=${size}m", $presence);

        ok($capacity >= $clients && ($clients < 10000
                                     || $capacity < 1.05 * $clients),
            "$row: so many, and few more") or diag($capacity);

        next if $clients != 10000;

        is($bytes, $each{$presence}, "a client takes $each{$presence} bytes");
        cmp_ok($history - $size * MB - $index * $events, '<', 256,
            "an event $index beside its own");
    }
}


# The history.

my ($record, $field) = $page =~
    /^bytes = (\d+) \+ length of the type \+ (\d+) for each field \+ names/m;
my ($said, $example) =
    $page =~ /^rounded up to 8, .*: this one takes (\d+)\.\n\n```json\n(.*)$/m;

is(bytes($record, $field, $example), $said, 'the event takes what is said');

@rows = $page =~ m{^\| (\d+)/s \| ([\d,]+) \| `events=(\d+) size=(\d+)m`[^|]*\|\s
                   ([\d,]+)\ s\ \|$}mxg;
my @wrong;

while (my ($rate, $bytes, $events, $size, $lasts) = splice @rows, 0, 5) {
    tr/,//d for $bytes, $lasts;
    my $seconds = int(min($events, $size * MB / $bytes) / $rate);
    push @wrong, "$seconds is not $lasts" if $seconds != $lasts;
}

is("@wrong", '', 'and the history lasts as long as the table says');

$t->run();

my $held = held($t, '/bytes', 400, $example);
my $room = int(64 * 1024 / $said);
ok($held == $room || $held == $room - 1,
    'a server holds as many events as its bytes have room for') or diag($held);

is(held($t, '/events', 100, $example), 64, 'and no more than so many');


# A page of the documentation, with headings of no use here.
sub page {
    open my $fh, '<', '../docs/operations.md' or die "operations.md: $!\n";
    local $/;
    return scalar <$fh>;
}


# What "nginx -t" says of a zone: connections, bytes of each, of the history.
sub holds {
    my ($nginx, $kb, $history, $presence) = @_;

    my ($ok, $text) = nginx_t($nginx, <<"EOF_CONF");
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    conductor_hub h { zone ${kb}k; history $history; presence $presence; }
}
EOF_CONF

    my ($n) = $text =~ /holds (\d+) connections/ or diag($text);
    my ($bytes) = $text =~ m{ / (\d+)$}m;
    my ($log) = $text =~ /- (\d+) history/;

    return ($n, $bytes, $log);
}


# What an event takes of the log.
sub bytes {
    my ($head, $each, $event) = @_;

    my $fields = decode_json($event);
    my $type = delete $fields->{type};

    my $sum = $head + length($type) + sum map {
        $each + length($_) + length(JSON::PP->new->allow_nonref
                                        ->encode($fields->{$_}))
    } keys %$fields;

    return ceil($sum / 8) * 8;
}


# How many events a client is given that has missed all but the first of them
# that it can resume from.
sub held {
    my ($nginx, $path, $n, $event) = @_;

    my @ids = map {
        (publish($nginx, $event, path => "$path/publish"))[1]{eventIds}[0]
    } 1 .. $n;

    my ($lost, $found) = (0, $n - 1);

    while ($found - $lost > 1) {
        my $middle = int(($lost + $found) / 2);
        my $ws = ws_connect($nginx, "$path?since=$ids[$middle]");

        if ($ws->recv_until('resumed')->{recovered}) {
            $found = $middle;
        } else {
            $lost = $middle;
        }

        $ws->drop();
    }

    return $n - 1 - $found;
}
