#!/usr/bin/perl

# Slow readers: what they get, what ends them, and that it costs nobody else.

# Runs alone: it looks at what is late.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use Digest::SHA qw/ sha1_hex /;
use JSON::PP;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(23);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     16m;
        history  events=10000 size=12m;
        drain    1s;

        channel c { default on; }
        event e { channel c; }
    }

    client_max_body_size    4m;
    conductor_auth          off;
    conductor_limit_conn    off;
    conductor_limit_messages off;

    server {
        listen 127.0.0.1:8080 sndbuf=4k;

        location /      { conductor h; conductor_max_queue 4m; }
        location /small { conductor h; conductor_max_queue 8k; }

        location /compressed {
            conductor h;
            conductor_max_queue 4m;
            conductor_compress on;
        }

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

$t->run();

# who reads later

my @slow = (
    ws_connect($t, '/', rcvbuf => 2048),
    ws_connect($t, '/', rcvbuf => 2048),
    ws_connect($t, '/compressed', rcvbuf => 2048,
               extensions => 'permessage-deflate'),
);
my $quick = ws_connect($t, '/');
$_->recv_until('welcome') for @slow, $quick;

my (@want, @got);
my $n = 0;

for my $size ((1, 10, 100, 1000, 3000, 7000, 20000, 100, 1) x 5) {
    my @events = map { { type => 'e', n => ++$n, s => noise($n, $size) } }
                 1 .. 1 + $size % 3;
    my ($status, $answer) = publish($t, \@events);
    push @want, map { "$_->{n} " . sha1_hex($_->{s}) } @events;
    push @got, map { sum($quick->recv_json()) } @events;
}

is_deeply(\@got, \@want, 'who reads at once gets every event whole');

for my $i (0 .. $#slow) {
    my @late = map { sum($slow[$i]->recv_json()) } 1 .. @want;
    is(join("\n", @late), join("\n", @want), 'so does one who reads later');
}

is_deeply([ map { $_->faults() } @slow, $quick ], [],
    'and no frame is torn');
is($slow[0]->command({ type => 'ping' })->{type}, 'pong',
    'afterwards it is served as before');
publish($t, { type => 'e', n => 'after' });
is($slow[1]->recv_json()->{n}, 'after', 'and gets the next event at once');

# events and answers at once

$slow[0]->send_json({ type => 'ping', id => $_ }) for 1 .. 3;
publish($t, [ map { { type => 'e', n => $_, s => 'x' x 9000 } } 1 .. 20 ]);
$slow[0]->send_json({ type => 'ping', id => $_ }) for 4 .. 6;

my @all = map { $slow[0]->recv_json() } 1 .. 27;
is(join(' ', map { $_->{id} } grep { $_->{type} eq 'pong' } @all),
    '1 2 3 4 5 6', 'answers keep their order among events');
is(join(' ', map { $_->{n} } grep { $_->{type} eq 'e' } @all),
    join(' ', 'after', 1 .. 20), 'and events theirs among answers');

# who is too slow

my $much = [ map { { type => 'e', n => $_, s => 'x' x 2000 } } 1 .. 640 ];

my $late = ws_connect($t, '/small', rcvbuf => 2048);
my $never = ws_connect($t, '/small', rcvbuf => 2048);
$_->recv_until('welcome') for $late, $never;
$quick->recv_until(sub { $_->{n} eq '20' });
my $before = (health($t))[1]{connections};

is((publish($t, $much))[0], 200, 'much is published at once');

my @n;

while (my $event = $late->recv_json()) {
    push @n, $event->{n};
}

is(join(' ', @n), join(' ', 1 .. @n), 'who falls behind gets a part, whole');
cmp_ok(scalar(@n), '<', 640, 'and not all');
is(join(' ', $late->expect_close()), '1013 too slow 1',
    'and is closed with 1013');
is_deeply([ $late->faults() ], [], 'after a whole frame');

is(join(' ', map { $quick->recv_json()->{n} } 1 .. 640), "@{[ 1 .. 640 ]}",
    'another gets all of it');
is(scalar(@{$slow[1]->sync(20) || []}) >= 640, 1, 'also a slow one with room');

ok(wait_for(sub { (health($t))[1]{connections} == $before - 2 }),
    'who never reads is given up');
ok($never->eof(), 'and its connection ended');

# who does not read its answers

my $deaf = ws_connect($t, '/small', rcvbuf => 2048, read_along => 0);
my $ping = frame(1, '{"type":"ping","id":"' . 'x' x 60 . '"}') x 100;

for (1 .. 200) {
    last unless $deaf->send_raw($ping, timeout => 0.5);
}

ok($deaf->eof(), 'who does not read its answers is given up as well');

# who leaves while much waits for it

my $gone = ws_connect($t, '/', rcvbuf => 2048);
$gone->recv_until('welcome');
publish($t, $much);
$gone->reset();
is(join(' ', map { $quick->recv_json(20)->{n} } 1 .. 640), "@{[ 1 .. 640 ]}",
    'a reset client costs no other an event');

my $closing = ws_connect($t, '/', rcvbuf => 2048);
$closing->recv_until('welcome');
publish($t, [ @$much[0 .. 99] ]);
$quick->recv_until(sub { $_->{n} == 100 });
is(join(' ', $closing->close(1000)), '1000  1',
    'who closes gets what was under way and the answer');

publish($t, { type => 'e', n => 'end' });
is($quick->recv_until(sub { $_->{n} eq 'end' })->{n}, 'end',
    'the others go on');
is_deeply([ map { $_->faults() } $quick, $closing, $slow[1] ], [],
    'no client finds a fault');


# Text that does not compress to nothing, the same for the same number.
sub noise {
    my ($seed, $size) = @_;
    my $text = '';
    $text .= sha1_hex("$seed " . length $text) while length $text < $size;
    return substr $text, 0, $size;
}


# What an event says, in short.
sub sum {
    my ($event) = @_;
    return ($event->{n} // 'none') . ' ' . sha1_hex($event->{s} // '');
}
