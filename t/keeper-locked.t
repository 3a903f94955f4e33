#!/usr/bin/perl

# Another program locks the database for 30 seconds: events are delivered as
# before, and what happened meanwhile is written afterwards.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Time::HiRes qw/ clock_gettime CLOCK_MONOTONIC /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /)
    ->has_daemon('sqlite3'))->plan(15);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        history  events=1000 size=256k;
        drain    100ms;
        presence tasks.db leave=100ms;
        channel  c { default on; }
        event    e { channel c; }
    }

    conductor_limit_conn off;
    conductor_limit_messages off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor          h;
            conductor_identity user=$arg_user role=$arg_role;
        }

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

$t->run();

my $keeper = wait_for(sub { keeper_pid($t) });
my $ann = client($t, 'ann');
my $bob = client($t, 'bob');

ok(wait_for(sub { visits($t) eq 'online' }), 'there is a visit');

my $n = 0;
my @before = latencies($t, $ann, 5);

# locked

open my $sqlite, '|-', 'sqlite3', '-batch', '-cmd', '.timeout 5000',
                       $t->testdir() . '/tasks.db' or die "sqlite3: $!\n";
{
    my $old = select $sqlite; $| = 1; select $old;
}

print $sqlite "BEGIN EXCLUSIVE;\n.shell touch " . $t->testdir() . "/locked\n";
ok(wait_for(sub { -e $t->testdir() . '/locked' }), 'the database is locked');

my $began = clock_gettime(CLOCK_MONOTONIC);
my @locked = latencies($t, $ann, 3);

for my $status (qw/ busy away online busy /) {
    says($ann, status => $status);
    push @locked, latencies($t, $ann, 1);
}

$bob->close();

my $health = wait_for(sub {
    my $h = (health($t))[1];
    return $h->{database} eq 'failed' && $h;
});

is($health->{status}, 'degraded', 'the health tells');
like($health->{databaseError}, qr/locked by another program/, 'and says why');
is((health($t, probe => 'ready'))[0], 200, 'the server stays ready');

my $eve = client($t, 'eve');

push @locked, latencies($t, $ann, 30 - (clock_gettime(CLOCK_MONOTONIC)
                                        - $began));

is(visits($t), 'online', 'nothing was written for half a minute');

my ($before, $during) = map { percentile(99, @$_) } \@before, \@locked;
diag(sprintf 'median and p99 in ms: %.1f %.1f before, %.1f %.1f locked',
     percentile(50, @before), $before, percentile(50, @locked), $during)
    if $ENV{TEST_NGINX_VERBOSE};

cmp_ok($during, '<', $before * 3 + 100, 'the p99 of events is what it was');
cmp_ok(percentile(50, @locked), '<', percentile(50, @before) * 3 + 20,
       'and so is the median');

# and free again

print $sqlite "COMMIT;\n";
close $sqlite;

ok(wait_for(sub { (health($t))[1]{status} eq 'ok' }, 5),
   'the database is written again');
ok(wait_for(sub {
       rows($t) eq 'ann|busy bob|offline eve|online'
   }, 5), 'and the table is true');

is(visits($t), 'online busy away online busy', 'nothing of the history lacks');
is(sql($t, 'tasks.db', "SELECT count(*) FROM presence_history WHERE"
       . " reviewer_id = 'ann' AND status = 'away'"
       . ' AND ended_at - started_at BETWEEN 500 AND 5000')->[0], 1,
   'each of it as long as it was');
is(keeper_pid($t), $keeper, 'by the keeper that waited');

my $log = $t->read_file('error.log');
my @said = $log =~ /(\[error\].*locked by another program)/g;

is(scalar @said, 1, 'which complained once');
like($log, qr/\[notice\].*tasks\.db" of hub "h" is written again/,
     'and said when it was over');


# Milliseconds from publishing to receiving, for so many seconds.
sub latencies {
    my ($t, $ws, $seconds) = @_;
    my $end = clock_gettime(CLOCK_MONOTONIC) + $seconds;
    my @ms;

    while (clock_gettime(CLOCK_MONOTONIC) < $end) {
        my $start = clock_gettime(CLOCK_MONOTONIC);

        publish($t, { type => 'e', n => ++$n });
        die "lost\n" if $ws->recv_until('e')->{n} != $n;

        push @ms, (clock_gettime(CLOCK_MONOTONIC) - $start) * 1000;
        select undef, undef, undef, 0.02;
    }

    return @ms;
}


sub percentile {
    my ($p, @sorted) = @_;

    @sorted = sort { $a <=> $b } @sorted;
    return $sorted[int(@sorted * $p / 100)];
}


sub client {
    my ($t, $user) = @_;

    my $ws = ws_connect($t, "/?user=$user");
    $ws->recv_until('welcome');
    return $ws;
}


sub says {
    my ($ws, $name, $value) = @_;

    $ws->send_text(qq({"type":"presence-update","id":1,"$name":"$value"}));
    $ws->recv_until('ack');
}


sub rows {
    my ($t) = @_;
    return join ' ', @{sql($t, 'tasks.db',
        'SELECT reviewer_id, status FROM reviewer_presence'
        . ' ORDER BY reviewer_id') || []};
}


# What ann was, one after the other.
sub visits {
    my ($t) = @_;
    return join ' ', @{sql($t, 'tasks.db', 'SELECT status FROM'
        . " presence_history WHERE reviewer_id = 'ann' ORDER BY id") || []};
}
