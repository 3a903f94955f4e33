#!/usr/bin/perl

# Programs that know only Redis publish with PUBLISH: every client of every
# server gets it, once.  And what servers publish is published there.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
                           ->has_daemon('redis-server'))->plan(28);

my $redis = redis($t);

my ($a, $b) = servers($t, 2, <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 16m;
        name node-%%N%%;
        state %%TESTDIR%%/state;
        presence on;
        history events=1000 size=256k;
        redis redis://127.0.0.1:8379 channels=app: timeout=300ms;

        channel tasks:updates    { default on; }
        channel presence:updates { default on; }
        channel other            { default on; }

        event e     { channel tasks:updates; require n; redact secret; }
        event else  { channel other; }
    }

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

ok(hub_is('connected', undef, $a, $b), 'two servers are one hub');
ok(wait_for(sub { listeners() == 2 }), 'and listen');

my @ws = map { ws_connect($_, '/') } $a, $b;
$_->recv_until('presence-list') for @ws;

# From Redis.

say_it({ type => 'e', n => 1, secret => 'x', timestamp => 5, eventId => 'y' });

my @got = map { $_->recv_until('e') } @ws;

is($got[1]{n}, 1, 'what is published in Redis comes to all clients');
is_deeply($got[0], $got[1], 'the same to all');
is($got[0]{secret}, undef, 'without what is hidden from everyone');
like($got[0]{eventId}, qr/^\d+-\d+$/, 'with an id');
ok($got[0]{timestamp} > 5, 'and a time of the hub');

say_it({ type => 'e', n => $_ }) for 2 .. 101;

is_deeply([ order(100, 0) ], [ 2 .. 101 ], 'in its order');
is_deeply([ order(100, 1) ], [ 2 .. 101 ], 'on every server');

# Equal ones.

say_it({ type => 'e', n => 7 }) for 1 .. 20;

is(count_to(8, 0), 20, 'what was published twenty times comes so often');
is(count_to(9, 1), 20, 'on every server');

# From the hub.

my $listener = $redis->client();
$listener->do('SUBSCRIBE', 'app:tasks:updates');

my (undef, $body) = publish($a, { type => 'e', n => 50, secret => 'x' });
my ($text) = $listener->message();
my $event = JSON::PP->new->decode($text // '{}');

is($event->{eventId}, $body->{eventIds}[0],
    'what a server accepts is published there, with its id');
is_deeply([ $event->{n}, $event->{secret} ], [ 50, undef ],
    'and without what is hidden');

publish($_ % 2 ? $a : $b, { type => 'e', n => 50 }) for 1 .. 50;
is(count_to(10, 0), 51, 'and is not taken for another one');
is(count_to(11, 1), 51, 'by any server');

$redis->publish('app:tasks:updates', $text);
$redis->publish('app:tasks:updates', { %$event, n => 50 });
is(count_to(12, 0), 0, 'nor is what somebody publishes once more');

# An id that is none of the hub.

say_it({ type => 'e', n => 60, eventId => '1-1' });
is($ws[0]->recv_until('e')->{n}, 60, 'one with an id of its own is new');

$redis->publish('app:tasks:updates',
    '{"type":"e","n":61,"eventId":"9999999999999-1"}');
is($ws[0]->recv_until('e')->{n}, 61, 'also if it is one to come');
is(count_to(13, 1), 2, 'and both come once');

# What is no event.

my @wrong = ('', 'x', '[]', '{}', '"e"', '{"type":"e"}', '{"type":"unknown"}',
    '{"type":"else"}', '{"type":"e","n":1', "\0",
    '{"type":"e","n":' . '[' x 40 . ']' x 40 . '}',
    '{"type":"presence-update","status":"busy"}',
    '{"type":"e","n":"' . 'x' x 100_000 . '"}');

$redis->publish('app:tasks:updates', $_) for @wrong;
$redis->publish('app:presence:updates', { type => 'presence-update',
    status => 'busy', connectionId => 'conn_x', userId => 'x' });
$redis->publish('tasks:updates', { type => 'e', n => 70 });
say_it({ type => 'e', n => 71 });

is($ws[0]->recv_until('e')->{n}, 71, 'what is no event is left out');
is(scalar(grep { ($_->{connectionId} // '') eq 'conn_x' } @{$ws[0]->skipped()}),
    0, 'and what says something of presence');
is(rejected($a), scalar @wrong, 'it is counted');

my @lines = $a->read_file('error.log') =~ /(that was published in Redis)/g;
is(scalar @lines, 1, 'and logged once');
is(count_to(14, 1), 1, 'nobody else has it');

# Redis goes and comes.

$redis->restart();
ok(hub_is('connected', undef, $a, $b), 'Redis is there again');
ok(wait_for(sub { listeners() == 2 }), 'and is listened to');

say_it({ type => 'e', n => 7 });
is(count_to(80, 0), 1, 'a message comes once');
is(count_to(81, 1), 1, 'on every server');

###############################################################################

sub say_it {
    my ($event) = @_;
    return $redis->publish('app:tasks:updates', $event);
}


# How many servers hear what is said.
sub listeners {
    my $answer = $redis->do('PUBSUB', 'NUMSUB', 'app:tasks:updates');
    return $answer->[1];
}


sub rejected {
    return (health($_[0],
        path => '/health?figures=1'))[1]{redisFigures}{rejected};
}


sub order {
    my ($n, $i) = @_;
    return map { ($ws[$i]->recv_until('e') // {})->{n} } 1 .. $n;
}


# How many events come before one that is published now, by the same program.
sub count_to {
    my ($mark, $i) = @_;
    my $n = 0;

    $redis->publish('app:other', { type => 'else', mark => $mark });

    $ws[$i]->recv_until(sub {
        $n++ if $_[0]{type} eq 'e';
        $_[0]{type} eq 'else' && $_[0]{mark} == $mark;
    });

    return $n;
}
