#!/usr/bin/perl

# The audit log on a disk that is full, or at its limit: clients do not notice,
# the error log tells once, and no line is torn.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use JSON::PP;

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
    ->has_daemon('mount'));

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      4m;
        history   events=100 size=64k;
        audit_log disk/audit.log;
        channel   c { default on; }
        event     e { channel c; }
    }

    conductor_limit_conn off;
    conductor_auth       off;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

my $dir = $t->testdir() . '/disk';

mkdir $dir;
system("mount -t tmpfs -o size=256k,mode=777 none $dir 2>/dev/null") == 0
    or $t->plan(skip_all => 'a file system cannot be mounted here');

my $mounted = $dir;

$t->plan(14);
$t->run();

my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');
ok(wait_for(sub { lines() == 1 }), 'there is room');

# it ends in the middle of a page, so in the middle of a line

fill($dir);

my $got = 0;

for my $n (1 .. 100) {
    $got += (publish($t, { type => 'e', n => $n }))[0] == 200
            && ($ws->recv_until('e') || {})->{n} == $n;
}

is($got, 100, 'when it is full, clients do not notice');
my @full = lines();
cmp_ok(scalar @full, '<', 101, 'lines are lost');
is(scalar(grep { !defined } @full), 0, 'but none is cut');
my $said = () = $t->read_file('error.log')
    =~ /\[crit\].*the audit log ".*" cannot be written/g;
cmp_ok($said, '<=', workers(), 'which each worker says once');
cmp_ok($said, '>', 0, 'or one at least');

unlink "$dir/rest";

ok(wait_for(sub {
       publish($t, { type => 'e', n => 0 });
       my $again = () = $t->read_file('error.log')
           =~ /the audit log ".*" is written again/g;
       return $again == $said;
   }), 'when there is room again, that is said');

my ($count) = (0);
$count += $_ for $t->read_file('error.log')
    =~ /written again, (\d+) lines of this process are lost/g;
cmp_ok($count, '>', 0, 'with how many are lost');
is((health($t, path => '/health?figures=1'))[1]{figures}{auditLost}, $count,
    'which is counted as well');
is(scalar(grep { !defined } lines()), 0, 'and all that is there is whole');

# at its limit

my $rounds = 0;

for (1 .. 15) {
    my $before = lost();

    fill($dir);
    $rounds += wait_for(sub {
        my @ws = map { ws_connect($t, '/') } 1 .. 8 * workers();
        $_->recv_until('welcome') for @ws;
        $_->close(1000) for @ws;
        lost() > $before;
    });
    unlink "$dir/rest";
    ws_connect($t, '/')->recv_until('welcome');
}

is($rounds, 15, 'lines of many workers are lost again and again');
is(scalar(grep { !defined } lines()), 0, 'and none cuts that of another');
my $error = $t->read_file('error.log');
$said = () = $error =~ /\[crit\].*the audit log ".*" cannot be written/g;
cmp_ok($said, '<=', workers(), 'each worker has said it once in a minute');
$said = () = $error =~ /the audit log ".*" is written again/g;
cmp_ok($said, '<=', workers(), 'and once that it is over');

$t->stop();

END { system("umount -l $mounted") if $mounted; }


# Leaves no room on the disk.
sub fill {
    my ($where) = @_;

    open my $f, '>', "$where/rest" or die "rest: $!\n";
    1 while syswrite $f, 'x' x 4096;
    close $f;
}


# How many lines are counted as lost.
sub lost {
    return (health($t, path => '/health?figures=1'))[1]{figures}{auditLost};
}


# The lines of the log; undef for one that is none.
sub lines {
    my $text = $t->read_file('disk/audit.log');

    return map { my $line = $_;
                 $line =~ /\n\z/ ? eval { decode_json($line) } : undef }
           split /(?<=\n)/, $text;
}
