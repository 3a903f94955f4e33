#!/usr/bin/perl

# A server that begins has the history that Redis keeps, for those who come
# back, and sends none of it to those who did not ask; and an id that it has
# not read yet it waits for.

use warnings;
use strict;

use File::Path qw/ remove_tree /;
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
    ->has_daemon('redis-server'))->plan(12);

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

# one begins anew, with nothing, and Redis comes to it later

kill 'KILL', -$b->{master};
unlink $b->testdir() . '/nginx.pid';
wait_for(sub { !Test::Nginx::group_alive($b->{master}) });
remove_tree($b->testdir() . '/state', { keep_root => 1 });

$redis->hang();
$b->run();

my $live = ws_connect($b, '/');
ok($live->recv_until('welcome'), 'a client comes to a server without Redis');

$redis->go_on();
ok(hub_is('connected', 15, $b), 'which then is joined');
ok(wait_for(sub { back($b, $id[0]) eq '2 3 recovered' }, 10),
    'who comes back there gets what was before it began');
is(back($b, $id[2]), 'recovered', 'and nothing twice');

push @id, event($a, 4);
is($live->recv_until('e')->{n}, 4,
    'who was there all the time gets only what is new');
is(back($b, $id[1]), '3 4 recovered', 'which follows what was before');

# an id that it has not read

my $keeper = keeper_pid($b);

kill 'STOP', $keeper;
push @id, map { event($a, $_) } 5 .. 7;

my $ws = ws_connect($b, "/?since=$id[4]");
my $early = ws_connect($b, "/?since=$id[3]");

$ws->recv_until('welcome');
is((grep { /"resumed"|"e"/ } @{$ws->sync()}), 0,
    'who comes with an id that a server has not read waits');
ok($early->recv_until('resumed')->{recovered},
    'who has all that it has does not');

kill 'CONT', $keeper;

event($b, 8);

my ($got, $resumed) = events($ws, 1);

is($got, '6 7 8', 'when it is read, the rest comes, and no more');
is((events($early))[0], '5 6 7 8', 'and all of it to the other');
is_deeply($resumed, [ 'all' ], 'to whom nothing is missing');


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


# The events that somebody gets, to the last, and how often it is told that it
# has resumed, so many times at least.
sub events {
    my ($ws, $times) = @_;
    my (@got, @resumed);

    until (@got && $got[-1] == 8 && @resumed >= ($times // 0)) {
        my $m = $ws->recv_json() or last;

        push @got, $m->{n} if $m->{type} eq 'e';
        push @resumed, $m->{recovered} ? 'all' : $m->{reason}
            if $m->{type} eq 'resumed';
    }

    return (join(' ', @got), \@resumed);
}


# What somebody gets who has resumed.
sub rest {
    my ($ws) = @_;
    my @got;

    while (my $m = $ws->recv_json()) {
        push @got, $m->{n} if $m->{type} eq 'e';
        next if $m->{type} ne 'resumed';
        return join ' ', @got, $m->{recovered} ? 'recovered' : $m->{reason};
    }

    return 'no end';
}
