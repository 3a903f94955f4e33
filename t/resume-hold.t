#!/usr/bin/perl

# A client may ask for silence until it has said from where, and what, it wants.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(24);

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
        drain    200ms;

        channel tasks  { default on; }
        channel other  { default on; }
        channel more   { }
        channel admin  { roles admin; }

        event task   { channel tasks; }
        event other  { channel other; }
        event more   { channel more; }
        event admin  { channel admin; }
    }

    conductor_auth            off;
    conductor_limit_conn      off;
    conductor_limit_messages  off;

    server {
        listen 127.0.0.1:8080;

        location /           { conductor h; }
        location /deflate    { conductor h; conductor_compress on; }
        location /publish    { conductor_publish h; }
        location /health     { conductor_health h; }
    }
}

EOF_CONF

$t->run();

my $n = 0;
my ($id) = events($t, 'task');

my $ws = ws_connect($t, '/?hold=1');
my $welcome = $ws->recv_json();
is_deeply([ @$welcome{qw/ type lastEventId /} ], [ 'welcome', $id ],
    'a client on hold is welcomed with the position before what it misses');

my $live = ws_connect($t, '/');
$live->recv_until('welcome');

my @id = events($t, qw/ task more other /);
is($live->recv_until('other')->{n}, 4, 'events are published');

my $pong = $ws->command({ type => 'ping' });
is_deeply([ @$pong{qw/ type lastEventId /} ], [ 'pong', $id ],
    'it gets none, and a pong says so');
is(scalar @{$ws->skipped()}, 0, 'nothing else came');

# what cannot be had changes nothing

for (
    [ 'an unknown channel', 'unknown_channel', { channel => 'nope' } ],
    [ 'a forbidden one', 'forbidden', { channel => 'admin' } ],
    [ 'a bad filter', 'bad_message', { channel => 'tasks', filter => 7 } ],
    [ 'no channel', 'bad_message', {} ],
    [ 'no object', 'bad_message', 'tasks' ],
    [ 'a list in it', 'bad_message', [ { channel => 'tasks' } ] ],
) {
    my ($name, $code, $wrong) = @$_;
    my $answer = $ws->command({ type => 'resume', since => $id,
        subscriptions => [ { channel => 'more' }, $wrong ] });
    is($answer->{code}, $code, "$name among the subscriptions");
}

is($ws->command({ type => 'resume', since => $id, subscriptions => 'more' })
    ->{code}, 'bad_message', 'subscriptions that are no list');
is($ws->command({ type => 'resume' })->{code}, 'bad_message',
    'no position');
is($ws->command({ type => 'resume', since => 7 })->{code}, 'bad_message',
    'a number as a position');
is(scalar @{$ws->sync()}, 0, 'it is still on hold');

# a subscription may change before

is($ws->command({ type => 'subscribe', channel => 'more' })->{type}, 'ack',
    'it may subscribe meanwhile');
is($ws->command({ type => 'unsubscribe', channel => 'other' })->{type}, 'ack',
    'and unsubscribe');
is($ws->command({ type => 'resume', since => $id })->{type}, 'ack',
    'then it resumes');
is(join('|', (replayed($ws))[0, 1]), '2 3|1 2 -',
    'and gets what it wants and missed');

# all at once

$ws = ws_connect($t, '/?hold=1');
$ws->recv_until('welcome');
$ws->send_json({ type => 'resume', id => 'r', since => $id, subscriptions => [
    { channel => 'more' },
    { channel => 'tasks', filter => { n => [ 1, 2 ] } } ] });
is($ws->recv_json()->{id}, 'r', 'a resume with subscriptions is confirmed');
is(join('|', (replayed($ws))[0, 1]), '2 3|1 2 -',
    'what was missed is filtered');
events($t, qw/ task other more /);
is($ws->recv_json()->{n}, 7, 'and what comes, likewise');

$ws = ws_connect($t, '/?hold=1');
$ws->recv_until('welcome');
$ws->send_json({ type => 'resume', since => $id, subscriptions => [] });
is(join('|', (replayed($ws))[0, 1]), '|1 0 -',
    'no subscriptions at all are possible');

# nobody resumes: three kinds, ten seconds

my @held = map { ws_connect($t, "/?hold=1$_") } '', "&since=$id[2]",
    '&since=1-1';
$_->recv_until('welcome') for @held;
events($t, 'other');

is(join(' ', $held[0]->recv_json(15)->{n}), '8',
    'after ten seconds a client gets what came since its welcome');
is(join('|', (replayed($held[1]))[0, 1], (replayed($held[2]))[0, 1]),
    '5 6 8|1 3 -||0 0 unknown', 'or since its position, if that is one');


# Publishes events of these types, each with the next number; their ids.
sub events {
    my ($t, @types) = @_;
    my ($status, $body) = publish($t, [ map {
        { type => $_, n => ++$n } } @types ]);

    die "status $status\n" if $status != 200;
    return @{$body->{eventIds}};
}


# What a client gets up to "resumed": its events, and that.
sub replayed {
    my ($ws) = @_;
    my @got;

    while (my $m = $ws->recv_json()) {
        return (join(' ', @got), "$m->{recovered} $m->{count} "
            . ($m->{reason} // '-'), $m) if $m->{type} eq 'resumed';
        push @got, $m->{n} // $m->{type};
    }

    return ('no end', join ' ', @got);
}
