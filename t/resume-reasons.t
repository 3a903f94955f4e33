#!/usr/bin/perl

# Why a client does not get all that it missed.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(30);

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
        history  events=100 size=1m;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_hub young {
        zone     4m;
        history  events=100 size=64k age=1s;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth            off;
    conductor_limit_conn      off;
    conductor_limit_messages  off;
    conductor_max_queue       16k;

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8081 sndbuf=4k;

        location /         { conductor h; }
        location /young    { conductor young; }
        location /publish  { conductor_publish h; }
        location /publish/young { conductor_publish young; }
        location /health   { conductor_health h; }
    }
}

EOF_CONF

$t->run();

my $n = 0;
my ($first, $second) = events(2);
my ($ms) = $first =~ /^(\d+)-/;

# what is no position here

for my $since ('nonsense', "$ms-3", "$ms-01", "1-1", '9' x 20 . '-1',
    "$first~7.1", ' ', 'x' x 300, '-', "$first ")
{
    (my $text = $since) =~ s/([^0-9a-zA-Z])/sprintf '%%%02x', ord $1/ge;

    my $ws = ws_connect($t, "/?since=$text");
    my $welcome = $ws->recv_until('welcome');
    my $resumed = $ws->recv_json();
    is(said($resumed) . ($welcome->{lastEventId} eq $second
        && $resumed->{lastEventId} eq $second), '0 0 unknown 1',
        'no position: ' . substr $since, 0, 20);
}

my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');

for my $since ('', 'nonsense', "\x{e9}\n", 'x' x 1000, "$ms-3") {
    $ws->send_json({ type => 'resume', since => $since });
    is(said($ws->recv_json()), '0 0 unknown ',
        'nor in a command: ' . substr $since =~ s/\W/?/gr, 0, 20);
}

$ws->command({ type => 'resume', since => "$ms-3" });
is(said($ws->recv_json()), '0 0 unknown ',
    'a position that is not there yet is none');

events(1);
is($ws->recv_json()->{n}, 3, 'the client is live nevertheless');

# what is not held any more: there were too many events since

events(100);

$ws = ws_connect($t, "/?since=$first");
$ws->recv_until('welcome');
is(said($ws->recv_json()), '0 0 expired ', 'too many events have come since');
events(1);
is($ws->recv_json()->{n}, 104, 'the client gets what comes');

# or too much time has passed

my ($old) = events(3, 'young');
ok(wait_for(sub {
    my $young = ws_connect($t, "/young?since=$old");
    $young->recv_until('welcome');
    return said($young->recv_until('resumed')) eq '0 0 expired ';
}, 20), 'too much time has passed');

my ($new) = events(1, 'young');
$ws = ws_connect($t, "/young?since=$new");
$ws->recv_until('welcome');
is(said($ws->recv_json()), '1 0 - ', 'not since the last one');

# overwritten while they are read: a client that does not

my $big = 'x' x 8000;
my ($from) = events(90, undef, $big);

my $slow = ws_connect(port(8081), "/?since=$from",
    rcvbuf => 4096);
my $other = ws_connect($t, '/');
$other->recv_until('welcome');

events(50, undef, $big), $other->recv_until(sub { $_->{n} == $n })
    for 1 .. 3;

my @got;
while (my $m = $slow->recv_json()) {
    last if $m->{type} eq 'resumed' and push @got, $m;
    push @got, $m if $m->{type} eq 'e';
}

my $resumed = pop @got;
is($resumed->{reason}, 'overrun', 'a client reads too slowly what it missed');
is($resumed->{recovered}, JSON::PP::false, 'which is not all');
is($resumed->{count}, scalar @got, 'it is told how many it got');
cmp_ok(scalar @got, '>', 0, 'some');
is(join(' ', map { $_->{n} } @got),
    join(' ', $got[0]{n} .. $got[0]{n} + $#got), 'in a row');

my ($id) = events(1);
is($slow->recv_until('e')->{n}, $n, 'and it is live');
is($slow->command({ type => 'ping' })->{lastEventId}, $id,
    'up to the last event');

my $resumes = (api($t, 'GET', '/health?figures=1'))[1]{figures}{resumes};
is_deeply($resumes, { unknown => 16, expired => 1, overrun => 1 },
    'outcomes are counted');
is(scalar @{$slow->sync()}, 0, 'nothing more comes');


# Publishes so many events, a few at a time; their ids.
sub events {
    my ($count, $hub, $text) = @_;
    my @ids;

    while ($count > 0) {
        my ($status, $body) = publish($t, [ map {
            { type => 'e', n => ++$n, s => $text // '' }
        } 1 .. ($count > 10 ? 10 : $count) ],
            path => '/publish' . ($hub ? "/$hub" : ''));

        die "status $status\n" if $status != 200;
        push @ids, @{$body->{eventIds}};
        $count -= 10;
    }

    return @ids;
}


# What "resumed" says.
sub said {
    my ($m) = @_;
    return join ' ', @$m{qw/ recovered count /}, $m->{reason} // '-', '';
}
