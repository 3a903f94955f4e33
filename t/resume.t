#!/usr/bin/perl

# The command "resume": missed events on a connection that is live.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(17);

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
my ($zero) = events($t, 'task');
my @id = events($t, qw/ task other more task /);

my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');
events($t, qw/ task more /);
is($ws->recv_json()->{n}, 6, 'a client is live');

$ws->send_json({ type => 'resume', id => 1, since => $zero });
is_deeply($ws->recv_json(), { type => 'ack', id => 1 },
    'it resumes, which is confirmed');
my ($got, $how, $resumed) = replayed($ws);
is($got, '2 3 5', 'it gets what it missed, and not what it has');
is($how, '1 3 -', 'and is told');
my $pong = $ws->command({ type => 'ping' });
is($resumed->{lastEventId}, $pong->{lastEventId}, 'with its position');

events($t, 'task');
is($ws->recv_json()->{n}, 8, 'it is live again');

$ws->send_json({ type => 'resume', since => $zero });
is(join('|', (replayed($ws))[0, 1]), '|1 0 -', 'a second time gives nothing');
$ws->send_json({ type => 'resume', since => $id[2] });
is(join('|', (replayed($ws))[0, 1]), '|1 0 -',
    'nor does a position in between');

# other subscriptions: of what was live only what it did not have

$ws = ws_connect($t, '/');
$ws->recv_until('welcome');
events($t, qw/ task more other /);
is(join(' ', map { $ws->recv_json()->{n} } 1 .. 2), '9 11',
    'a client has two channels');
$ws->send_json({ type => 'resume', since => $id[2], subscriptions => [
    { channel => 'tasks' }, { channel => 'more' } ] });
is(join('|', (replayed($ws))[0, 1]), '5 6 7 8 10|1 5 -',
    'and takes another, of which it gets all');
events($t, qw/ other more task /);
is(join(' ', map { $ws->recv_json()->{n} } 1 .. 2), '13 14',
    'from then on too');

$ws->send_json({ type => 'resume', since => 'x', subscriptions => [
    { channel => 'other' } ] });
is(join('|', (replayed($ws))[0, 1]), '|0 0 unknown',
    'without a position there is nothing missed');
events($t, qw/ more other /);
is($ws->recv_json()->{n}, 16, 'but the subscriptions hold');

# many at once, with a key

my $many = many_clients($t, 50);
$many->wait_each(1);
$_->send_json({ type => 'resume', since => $zero, key => 'k', id => 1 })
    for $many->clients();
$many->wait_each(1, 'resumed');
is(scalar(grep { join(' ', map { $_->{n} // '-' } $many->messages($_)) ne
    '- - 2 3 5 6 8 9 11 12 14 16 -' } 0 .. 49), 0,
    'fifty clients get the same');

$ws = ($many->clients())[7];
is($ws->command({ type => 'resume', since => $zero, key => 'k' })->{type},
    'ack', 'a command with its key is confirmed once more');
is(scalar @{$ws->sync()}, 0, 'and not done');

is((api($t, 'GET', '/health?figures=1'))[1]{figures}{resumes}{recovered}, 54,
    'what was resumed is counted');


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
