#!/usr/bin/perl

# Idempotency-Key over workers that are killed, and over a reload.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/ :DEFAULT http_content http_end /;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(15);

# the master says so of who was killed while it changed the zone

$t->todo_alerts(killed());

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
        history  events=10000 size=1m;
        drain    1s;

        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080 reuseport;

        location /        { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }
    }
}

EOF_CONF

$t->run();
wait_for(sub { worker_pids($t) == workers() });

# killed when the event is in the log, and the answer not yet read

my $ws = client($t);
my $first = start($t, 'done', '{"type":"e","n":1}');
my $event = $ws->recv_until('e');

kill_all($t);

my ($status, $answer) = keyed($t, 'done', '{"type":"e","n":1}');
is_deeply([ $status, $answer->{eventIds} ], [ 200, [ $event->{eventId} ] ],
    'what a worker did before it was killed is answered by the next');

$ws = client($t);
is((keyed($t, 'next', '{"type":"e","n":2}'))[0], 200,
    'something else is published');
is($ws->recv_until('e')->{n}, 2, 'and no client sees the first one twice');

# killed while the body is on its way

# it may meet the question whether it has begun, and be refused for that

my @begun;
ok(wait_for(sub {
    push @begun, start($t, 'half', '{"type":"e","n":3}', 10);
    return try_key($t, 'half') == 409;
}), 'a request begins');

kill_all($t);

($status, $answer) = keyed($t, 'half', '{"type":"e","n":3}');
is($status, 200, 'what a worker was at when it was killed can be repeated');

$ws = client($t);
is_deeply([ (keyed($t, 'half', '{"type":"e","n":3}'))[0, 1] ],
    [ 200, $answer ], 'and is then done');
is((keyed($t, 'after', '{"type":"e","n":4}'))[0], 200, 'once:');
is($ws->recv_until('e')->{n}, 4, 'nothing of it comes later');

# killed at any time: every event has a place, and there is no other between

my $from = number(keyed($t, 'from', '{"type":"e"}'));

for my $n (1 .. 120) {
    my $body = qq({"type":"e","n":$n});

    if ($n % 10 == 0) {
        my $s = start($t, "n$n", $body);
        kill 'KILL', worker_pids($t);
    }

    my ($code) = keyed($t, "n$n", $body);
    is($code, 200, "event $n is published") if $code != 200;
}

is(number(keyed($t, 'to', '{"type":"e"}')) - $from, 121,
    'over twelve crashes each of 120 requests is done once');

# reload

wait_for(sub { worker_pids($t) == workers() });
my @before = map { (keyed($t, $_, '{"type":"e","n":5}'))[1] } 1 .. 3;

# here, too, one may meet the question, and another is begun with a key of its
# own

my ($slow, $tries) = ('', 0);
ok(wait_for(sub {
    $slow = 'slow' . $tries++;
    $first = start($t, $slow, '{"type":"e","n":6}', 10);
    return wait_for(sub { try_key($t, $slow) == 409 }, 1);
}), 'a request begins');

my @old = worker_pids($t);
$t->reload();
ok(wait_for(sub {
    my %now = map { $_ => 1 } worker_pids($t);
    return keys %now >= @old && !grep { $now{$_} } @old;
}), 'new workers take over');

is_deeply([ map { (keyed($t, $_, '{"type":"e","n":5}'))[1] } 1 .. 3 ],
    \@before, 'keys are known after a reload');
is(try_key($t, $slow), 409, 'also those that an old worker is still at');

$first->print(substr '{"type":"e","n":6}', 10);
$answer = http_content(http_end($first));
like($answer, qr/"accepted":1/, 'the old worker comes to its end');
is_deeply((keyed($t, $slow, '{"type":"e","n":6}'))[1]{eventIds},
    [ $answer =~ /"(\d+-\d+)"/ ], 'and the new ones know of it');


# A client that is connected.
sub client {
    my ($nginx) = @_;
    my $client;

    wait_for(sub {
        $client = ws_connect($nginx, '/');
        return $client->is_open() && $client->recv_until('welcome');
    });

    return $client;
}


# The first octets of a request with a key, or all of it.
sub start {
    my ($nginx, $key, $body, $len) = @_;

    return http("POST /publish HTTP/1.1\x0d\x0aHost: localhost\x0d\x0a"
        . "Connection: close\x0d\x0aIdempotency-Key: $key\x0d\x0a"
        . 'Content-Length: ' . length($body) . "\x0d\x0a\x0d\x0a"
        . substr($body, 0, $len // length $body), start => 1);
}


# A request with a key, repeated until it is answered: (status, answer).
sub keyed {
    my ($nginx, $key, $body) = @_;
    my @answer;

    wait_for(sub {
        @answer = eval { publish($nginx, $body, key => $key) };
        return defined $answer[0] && $answer[0] != 409;
    });

    return @answer;
}


# What a request with this key is answered; it publishes nothing.
sub try_key {
    my ($nginx, $key) = @_;
    return (publish($nginx, { type => 'nope' }, key => $key))[0];
}


# The place of an event in the log.
sub number {
    my ($code, $published) = @_;
    return $published->{eventIds}[0] =~ /-(\d+)$/ ? $1 : undef;
}


# Kills all workers, and waits until others are there.
sub kill_all {
    my ($nginx) = @_;
    my @pids = worker_pids($nginx);
    my %dead = map { $_ => 1 } @pids;

    kill 'KILL', @pids;

    wait_for(sub {
        my @now = worker_pids($nginx);
        return @now == workers() && !grep { $dead{$_} } @now;
    });
}
