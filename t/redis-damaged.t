#!/usr/bin/perl

# The event log of a server is damaged and dropped: its clients are told that
# events are missing, also those who come back later.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Servers;
use Test::Conductor::Zone;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
    ->has_daemon('redis-server'))->plan(9);

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
        zone     16m;
        name     node-%%N%%;
        state    %%TESTDIR%%/state;
        history  events=1000 size=256k;
        redis    redis://127.0.0.1:8379 timeout=500ms;

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

ok(hub_is('connected', undef, $a, $b), 'two servers are joined by Redis');

my @id = map { event($a, $_) } 1 .. 3;

wait_for(sub { back($b, $id[0]) eq '2 3 recovered' });

for my $how ('while nobody changed it', 'by one that died') {
    my $live = ws_connect($b, '/');
    $live->recv_until('welcome');

    my $zone = Test::Conductor::Zone->new((worker_pids($b))[0]);

    ok($zone && $zone->spoil_log(), "a log is damaged $how");
    $zone->set_dirty() if $how =~ /died/;

    push @id, event($a, 4);
    is($live->recv_until('e')->{n}, 4, 'it takes what comes');
    is(back($b, $id[1]), 'gap 4', 'and those who come back miss something');
    is(back($b, $id[-1]), 'recovered', 'but not those who have the last one');
}


sub event {
    my ($s, $n) = @_;
    my ($status, $said) = publish($s, { type => 'e', n => $n });

    die "status $status\n" if $status != 200;
    return $said->{eventIds}[0];
}


sub back {
    my ($s, $since) = @_;
    my $ws = ws_connect($s, "/?since=$since");
    my $got = rest($ws);

    $ws->close(1000);
    return $got;
}


# What somebody gets who has resumed.
sub rest {
    my ($ws) = @_;
    my @got;

    while (my $m = $ws->recv_json()) {
        push @got, $m->{n} if $m->{type} eq 'e';
        next if $m->{type} ne 'resumed';
        return join ' ', @got, 'recovered' if $m->{recovered};
        return "$m->{reason} " . $ws->recv_until('e')->{n};
    }

    return 'no end';
}
