#!/usr/bin/perl

# A client that gives its position at the handshake gets what it missed.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(19);

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
my $first = ws_connect($t, '/');
my $zero = $first->recv_until('welcome')->{lastEventId};
like($zero, qr/-0$/, 'there is a position before the first event');

my @id = events($t, qw/ task other more admin task /);
is(join(' ', map { $first->recv_json()->{n} } 1 .. 3), '1 2 5',
    'a client sees events of the default channels');
$first->close(1000);

my $ws = ws_connect($t, "/?since=$zero");
my $welcome = $ws->recv_json();
is_deeply([ @$welcome{qw/ type lastEventId /} ], [ 'welcome', $zero ],
    'who comes back is welcomed with the position that it gave');

my ($got, $how, $resumed) = replayed($ws);
is($got, '1 2 5', 'it gets the events after that, in order');
is($how, '1 3 -', 'it is told that these were all');
is($resumed->{lastEventId}, $id[4], 'and where it is now');

events($t, qw/ task more other /);
is(join(' ', map { $ws->recv_json()->{n} } 1 .. 2), '6 8',
    'then come those of now');
my $last = $ws->command({ type => 'ping' })->{lastEventId};

is(join('|', (replayed(welcomed("/?since=$id[0]")))[0, 1]), '2 5 6 8|1 4 -',
    'from any event on');
is(join('|', (replayed(welcomed("/?since=$id[3]")))[0, 1]), '5 6 8|1 3 -',
    'also from one that the client did not see');
is(join('|', (replayed(welcomed("/?since=$last")))[0, 1]), '|1 0 -',
    'from the last there is nothing');
is(join('|', (replayed(welcomed("/deflate?x=1&since=$id[0]",
    extensions => 'permessage-deflate')))[0, 1]), '2 5 6 8|1 4 -',
    'compressed as well');

(my $escaped = $id[0]) =~ s/-/%2d/;
is(join('|', (replayed(welcomed("/?since=$escaped&y")))[0, 1]),
    '2 5 6 8|1 4 -', 'the argument may be escaped');

my $plain = welcomed('/?since=');
events($t, 'task');
is($plain->recv_json()->{n}, 9, 'an empty position is none');

# more than a turn brings

events($t, ('task') x 100) for 1 .. 6;
($got, $how, $resumed) = replayed(welcomed("/?since=$zero"));
is($got, join(' ', 1, 2, 5, 6, 8 .. 609), 'hundreds of events come in order');
is($how, '1 606 -', 'and are counted');

# on a connection that has its replay, "since" is where it began

$ws = welcomed("/?since=$last");
replayed($ws);
$ws->send_json({ type => 'resume', since => $last, id => 1 });
is($ws->recv_json()->{type}, 'ack', 'it may resume again');
is(join('|', (replayed($ws))[0, 1]), '|1 0 -',
    'and gets nothing twice');

# two positions are one

is(join('|', (replayed(welcomed("/?since=$last&since=$zero")))[0]),
    join(' ', 9 .. 609), 'the first of two positions counts');

is(counted('recovered'), 10, 'all of them are counted');


# A client after its welcome.
sub welcomed {
    my $ws = ws_connect(Test::Nginx::port(8080), @_);
    $ws->recv_until('welcome');
    return $ws;
}


# The figure of an outcome.
sub counted {
    my ($outcome) = @_;
    my ($status, $body) = api(undef, 'GET', '/health?figures=1');
    return $body->{figures}{resumes}{$outcome};
}


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
