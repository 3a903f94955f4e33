#!/usr/bin/perl

# A worker that is overrun: its clients are told, and nothing is torn.

# Runs alone: its publishers must be faster than a worker.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use JSON::PP;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /))->plan(18);

$t->write_file_expand('nginx.conf', <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes 2;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        history  events=64 size=64k;
        drain    1s;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth        off;
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor h;
            add_header X-Worker $pid always;
        }

        location /publish { conductor_publish h; }
    }
}

EOF_CONF

$t->run();
wait_for(sub { worker_pids($t) == 2 });

# two clients on one worker, two on the other: only one at a time may accept

my ($behind, $ahead) = worker_pids($t);
my @behind = alone($t, $behind, $ahead, 2);
my @ahead = alone($t, $ahead, $behind, 2);

is(join(' ', map { $_->header('X-Worker') } @behind, @ahead),
    "$behind $behind $ahead $ahead", 'clients are on both workers');

publish($t, { type => 'e', n => 0 });
my @zero = map { $_->recv_until('e') } @behind, @ahead;
is(join(' ', map { $_->{n} } @zero), '0 0 0 0', 'all get events');

# one of them stops

stopped($behind);

my $n = 0;

for (1 .. 250) {
    my ($status) = publish($t, [ map { { type => 'e', n => ++$n,
        s => "<$n>" x ($n % 50) } } 1 .. 16 ]);
    die "status $status\n" if $status != 200;
}

is($n, 4000, 'thousands of events are accepted meanwhile');

for my $ws (@ahead) {
    is(join(' ', map { $ws->recv_json()->{n} } 1 .. 4000), "@{[ 1 .. 4000 ]}",
        'the clients of the other worker get all of them');
}

kill 'CONT', $behind;

for my $ws (@behind) {
    my $gap = $ws->recv_json();
    is_deeply([ @$gap{qw/ type recovered reason /} ],
        [ 'resumed', JSON::PP::false, 'gap' ],
        'the clients of this one are told of a gap');
    is($gap->{lastEventId}, $zero[0]{eventId}, 'and what came last');

    my @got = ($ws->recv_json());
    push @got, $ws->recv_json() while $got[-1] && $got[-1]{n} != 4000;

    is(join(' ', map { $_->{n} } @got), "@{[ $got[0]{n} .. 4000 ]}",
        'then come the newer ones, in order, without a hole');
    is(scalar(grep { $_->{s} ne "<$_->{n}>" x ($_->{n} % 50) } @got), 0,
        'whole');
}

ok($t->find_in_file('error.log',
    qr/\[error\].*hub "h".*overwritten.*"history"/),
    'the log says what to do about it');

# stopped again and again, in the middle of anything

$t->run_daemon(\&publisher, $t, 4001, 12000);
my ($slow, $fast) = map { { ws => $_, last => 4000, wrong => 0 } }
    $behind[0], $ahead[0];

until ($slow->{last} >= 12000) {
    halt($behind);
    select undef, undef, undef, rand 0.02;
    kill 'CONT', $behind;

    follow($slow) or last;
    1 while $slow->{last} < 12000 && follow($slow, 0.002);
}

is($slow->{last}, 12000,
    'a worker that is stopped again and again gets to the end');
is($slow->{wrong}, 0, 'nothing is missing that its clients were not told of');

1 while $fast->{last} < 12000 && follow($fast);
is(join(' ', @$fast{qw/ last wrong /}), '12000 0',
    'the same holds for the other worker');

is_deeply([ map { $_->faults() } @behind, @ahead ], [],
    'no client finds a fault');


# N clients of one worker, while the other cannot accept.
sub alone {
    my ($nginx, $worker, $other, $count) = @_;

    stopped($other);
    my @clients = map { ws_connect($nginx, '/', timeout => 30) } 1 .. $count;
    kill 'CONT', $other;

    $_->recv_until('welcome') for @clients;
    return @clients;
}


# Stops a process and waits until it has stopped.
sub stopped {
    my ($pid) = @_;

    halt($pid);
    wait_for(sub {
        open my $f, '<', "/proc/$pid/stat" or return 1;
        return <$f> =~ /\) T /;
    });
}


# Reads a message, which must be the next event, or tell of a gap before it.
sub follow {
    my ($client, $timeout) = @_;
    my $event = $client->{ws}->recv_json($timeout) or return 0;

    if ($event->{type} eq 'resumed') {
        $client->{told} = 1;
        return 1;
    }

    my ($i, $next) = ($event->{n}, $client->{last} + 1);

    $client->{wrong}++ if $client->{told} ? $i < $next : $i != $next;
    $client->{wrong}++ if $event->{s} ne "<$i>" x ($i % 50);

    $client->{told} = 0;
    $client->{last} = $i;
    return 1;
}


# Publishes events with these numbers.
sub publisher {
    my ($nginx, $first, $end) = @_;

    for (my $i = $first; $i <= $end; $i += 16) {
        my $until = $i + 15 < $end ? $i + 15 : $end;
        publish($nginx, [ map { { type => 'e', n => $_,
            s => "<$_>" x ($_ % 50) } } $i .. $until ]);
    }
}
