#!/usr/bin/perl

# A hub's "redis" is changed or removed by a reload while publishers wait:
# all are answered in time, and nothing is lost or doubled.

use warnings;
use strict;

use JSON::PP qw/ decode_json encode_json /;
use Test::More;
use Time::HiRes qw/ time /;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/ :DEFAULT http_end /;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
    ->has_daemon('redis-server'))->plan(13);

my $redis = redis($t);

$t->write_file('old', '0123456789abcdef' x 2);
$t->write_file('new', 'fedcba9876543210' x 2);

my $params = 'secret=file:%%FIRST%%/old timeout=2s';

my ($a, $b) = servers($t, 2, <<"EOF_CONF");

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     16m;
        name     node-%%N%%;
        state    %%TESTDIR%%/state;
        history  events=1000 size=256k;
        drain    0s;
        redis    redis://127.0.0.1:8379 $params;

        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

my $n = 0;

ok(hub_is('connected', 10, $a, $b), 'two servers are joined by Redis');

my $since = publish_one($a);

# publishers wait for a Redis that hangs, and a new secret comes

change('secret', qr/old/, 'new');
change('prefix', qr/timeout=2s/, 'timeout=2s prefix=p');

# the same, and Redis is no more

my @waiting = waiting($a);
$a->write_file('nginx.conf',
    $a->read_file('nginx.conf') =~ s/^ *redis .*;$//mr);
reload_workers($a);
answered('removed', @waiting);
$redis->go_on();

like(publish_one($a), qr/^\d+-\d+/, 'without Redis, it takes events');
is(sorted(got($a)), join(' ', 2 .. $n), 'and its clients get all, once');
is((health($a))[1]{redis}, 'disabled', 'it has nothing to do with Redis');


# Publishers of the first server wait while both are given another one.
sub change {
    my ($what, $old, $new) = @_;
    my @waiting = waiting($a);

    for my $s ($a, $b) {
        $s->write_file('nginx.conf',
            $s->read_file('nginx.conf') =~ s/$old/$new/r);
        reload_workers($s);
    }

    answered($what, @waiting);
    $redis->go_on();
    ok(hub_is('connected', 15, $a, $b), "$what: both are joined");
    publish_one($b);
    wait_for(sub { got($_) =~ / $n$/ }) for $a, $b;
    is(sorted(got($a)), join(' ', 2 .. $n),
       "$what: nothing is lost or doubled there");
    is(got($b), got($a), "$what: nor at the other one");
}


sub publish_one {
    my ($s) = @_;
    my ($status, $said) = publish($s, { type => 'e', n => ++$n });

    return $status == 200 ? $said->{eventIds}[0] : "status $status";
}


# Connections on which somebody waits for an answer.
sub waiting {
    my ($s) = @_;

    $redis->hang();

    return map {
        my $body = encode_json({ type => 'e', n => ++$n });
        http("POST /publish HTTP/1.0\x0d\x0aHost: localhost\x0d\x0a"
             . "Content-Type: application/json\x0d\x0aContent-Length: "
             . length($body) . "\x0d\x0a\x0d\x0a$body",
             start => 1, PeerAddr => '127.0.0.1:' . port($s->{number}));
    } 1 .. 4;
}


sub answered {
    my ($what, @waiting) = @_;
    my $begun = time();
    my @status = map { http_end($_) =~ m!^HTTP/1.1 (\d+)! ? $1 : 'none' }
                 @waiting;

    is("@status", '200 200 200 200', "$what: those who wait are answered");
    diag(sprintf "$what: answered after %.1f s", time() - $begun);
}


# What a client that comes back gets.
sub got {
    my ($s) = @_;
    my $ws = ws_connect($s, "/?since=$since");
    my @got;

    while (my $m = $ws->recv_json()) {
        push @got, $m->{n} if $m->{type} eq 'e';
        next if $m->{type} ne 'resumed';
        push @got, $m->{reason} if !$m->{recovered};
        last;
    }

    $ws->close(1000);

    return join ' ', @got;
}


# Of five the first four wait at the same time: they have no order of their own.
sub sorted {
    my @got = split / /, $_[0];
    my @sorted;

    while (my @five = splice @got, 0, 5) {
        my @last = @five > 4 ? pop @five : ();
        push @sorted, (sort { $main::a <=> $main::b } @five), @last;
    }

    return "@sorted";
}
