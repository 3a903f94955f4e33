#!/usr/bin/perl

# A process that is killed while it changes the zone leaves it dirty and half
# changed: who locks it next repairs it, and limits count as before.

use warnings;
no warnings 'portable';                 # addresses have 64 bits
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use Fcntl qw/ SEEK_SET /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

use constant {
    ZONE_MAGIC    => 'CNCDUTOR',
    COUNTER_MAGIC => 0x43647243,
    DIRTY         => 40,                # where the mark is in the zone
    PARTS         => 112,               # and where the parts are listed
    ENTRY         => 48,                # octets of a counted key
    COUNT         => 24,                # and where its count is
};

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /));

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    4m;
        history events=100 size=64k;
        drain   100ms;
        channel c { default on; }
        event   e { channel c; }
    }

    conductor_identity   user=$arg_user;
    conductor_limit_conn 4;
    conductor_limit_user 3;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /publish { conductor_publish h; conductor_auth off; }
        location /health  { conductor_health h; }

        location /window {
            conductor                  h;
            conductor_limit_conn       off;
            conductor_limit_user       off;
            conductor_limit_handshakes 2 per=1h;
        }
    }
}

EOF_CONF

plan(skip_all => 'only root writes to the memory of a worker') if $> != 0;

$t->plan(12);
$t->run();

my @ann = map { as('ann', 2) } 1 .. 2;
my @bob = map { as('bob', 3) } 1 .. 3;
$_->recv_until('welcome') for @ann, @bob;
window(4);

my ($fh, $zone) = zone((worker_pids($t))[0]);
ok($zone, 'the zone is found') or BAIL_OUT('the layout has changed');

my @tables = tables($fh, $zone);
is(scalar(@tables), 2, 'with its tables of counted keys');

spoil($fh, @$_) for @tables;
spoil_counts($fh, @{$tables[0]});

# a worker that holds the lock just now would take the mark away

ok(wait_for(sub {
    put($fh, $zone + DIRTY, pack 'L<', 1);
    (publish($t, { type => 'e', n => 1 }))[0] == 200 or return;
    $t->find_in_file('error.log', qr/\[warn\]\ .*died\ while\ it\ changed
                     \ the\ zone\ of\ hub\ "h":\ repairing\ it/x);
}), 'the zone is repaired, and takes an event');
is(join(' ', map { $_->recv_until('e')->{n} } @ann, @bob), '1 1 1 1 1',
    'which reaches all');

is(statuses(@ann[2, 3] = map { as('ann', 2) } 1 .. 2), '101 429',
    'a user has as many places as before');
is(statuses(as('bob', 3), as('new', 3)), '429 101', 'and another has none');
is(statuses(as('one', 2), as('two', 2)), '101 429', 'so it is with addresses');
is(statuses(map { window(4) } 1 .. 2), '101 429', 'and windows');

$_->close(1000) for @ann[0 .. 2], @bob;
ok(wait_for(sub { (health($t))[1]{connections} == 0 }), 'all leave');
is(statuses(map { as('ann', 2) } 1 .. 4) . ' '
    . statuses(map { as('bob', 3) } 1 .. 4), '101 101 101 429 101 101 101 429',
    'and give back what was theirs');
is(scalar(() = $t->read_file('error.log') =~ /repairing it/g), 1,
    'one repair is enough');
is(get($fh, $zone + DIRTY, 4), pack('L<', 0), 'the mark is gone');


sub as {
    my ($user, $n) = @_;
    return ws_connect(port(8080), "/?user=$user", source => "127.0.0.$n");
}


sub window {
    my ($n) = @_;
    return ws_connect(port(8080), '/window?user=w', source => "127.0.0.$n");
}


sub statuses {
    return join ' ', map { $_->status() // 0 } @_;
}


# The memory of a process, and the address of the zone in it.
sub zone {
    my ($pid) = @_;

    open my $mem, '+<:raw', "/proc/$pid/mem" or die "/proc/$pid/mem: $!\n";
    open my $maps, '<', "/proc/$pid/maps" or die "/proc/$pid/maps: $!\n";

    for my $line (<$maps>) {
        my ($from, $to) = $line =~ m!^(\w+)-(\w+) rw-s .*/dev/zero! or next;
        my $at = index get($mem, hex $from, hex($to) - hex $from), ZONE_MAGIC;

        return ($mem, hex($from) + $at) if $at >= 0;
    }

    return ($mem, undef);
}


# [ address, entries ] of each part that is a table of counted keys.
sub tables {
    my ($mem, $zone) = @_;
    my @tables;

    for my $i (0 .. 15) {
        my $offset = unpack 'Q<', get($mem, $zone + PARTS + 16 * $i, 8);
        my ($magic, undef, $n) = unpack 'L<3', get($mem, $zone + $offset, 12);

        push @tables, [ $zone + $offset, $n ]
            if $offset && $magic == COUNTER_MAGIC;
    }

    return @tables;
}


# All that is derived in a table leads nowhere: how many are in use, the free
# ones, the queue of windows, the buckets.
sub spoil {
    my ($mem, $at, $n) = @_;

    put($mem, $at + 16, "\xff" x 16);
    put($mem, $at + 64, "\xff" x (4 * $n));
}


# Every count is wrong.
sub spoil_counts {
    my ($mem, $at, $n) = @_;
    my $high = unpack 'L<', get($mem, $at + 12, 4);
    my $entries = $at + 64 + (4 * $n + 63 & ~63);

    put($mem, $entries + ENTRY * $_ + COUNT, pack 'L<', 77)
        for 0 .. $high - 1;
}


sub get {
    my ($mem, $at, $len) = @_;

    sysseek $mem, $at, SEEK_SET or die "seek: $!\n";
    (sysread($mem, my $octets, $len) // 0) == $len or die "read: $!\n";
    return $octets;
}


sub put {
    my ($mem, $at, $octets) = @_;

    sysseek $mem, $at, SEEK_SET or die "seek: $!\n";
    syswrite($mem, $octets) == length $octets or die "write: $!\n";
}
