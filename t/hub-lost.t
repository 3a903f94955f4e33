#!/usr/bin/perl

# A server is lost, killed as a whole or cut off from Redis: who was there is
# gone for the others within five seconds, and comes back once.

use warnings;
use strict;

use JSON::PP qw/ decode_json /;
use Test::More;
use Time::HiRes qw/ time /;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Net;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

own_network();

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /)
    ->has_daemon('redis-server'))->plan(20);

$t->todo_alerts(killed());

my $space = Test::Conductor::Net->new($t);
my @cables = map { $space->cable() } 1 .. 3;
my $redis = redis($t, net => $space, bind => '0.0.0.0');

my ($a, $b, $c) = servers($t, 3, <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      16m;
        name      node-%%N%%;
        state     %%TESTDIR%%/state;
        history   events=1000 size=256k;
        presence  memory ttl=1m leave=1s tick=10ms;
        redis     redis://10.77.%%N%%.2:%%PORT_8379%% timeout=500ms;
    }

    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor           h;
            conductor_identity  user=$arg_user;
        }

        location /presence { conductor_presence h; }
        location /health   { conductor_health h; }
    }
}

EOF_CONF

my ($now, %gone);

ok(hub_is('connected', 10, $a, $b, $c), 'three servers are joined by Redis');

# one who only watches at each of the others, and dora is on two servers

my %watch = (node1 => come($a, 'w1'), node2 => come($b, 'w2'));
my $carl = come($c, 'carl');
my $eve = come($c, 'eve');
my @dora = map { come($_, 'dora') } $b, $c;

ok(all_see('carl dora eve w1 w2', $a, $b, $c), 'all are seen by all');
ok(wait_for(sub { (dora($a)->{connections} // 0) == 2 }),
    'who is on two servers is one, with two connections');

# killed; eve goes to another server at once

$now = time();
kill 'KILL', -$c->{master};
$eve = come($a, 'eve');

ok(all_see('dora eve w1 w2', $a, $b),
    'those of a server that is killed are gone');
in_time('killed');
is(dora($a)->{connections}, 1, 'who is on another one, too, is not');
is(seen(), 'carl: offline',
    'they are said to have left, once; who came to another is not');
is((health($_))[1]{servers}, 2, 'and two servers are left') for $a, $b;

unlink $c->testdir() . '/nginx.pid';
wait_for(sub { !Test::Nginx::group_alive($c->{master}) });
$c->run();
$carl = come($c, 'carl');
push @dora, come($c, 'dora');

ok(all_see('carl dora eve w1 w2', $a, $b, $c), 'it is started again');
ok(wait_for(sub { (dora($a)->{connections} // 0) == 2 }),
    'and all are as before');
beats();
is(seen(), 'carl: online', 'they are said to be back, once');

# cut off

$now = time();
$cables[2]->pull();

ok(all_see('dora eve w1 w2', $a, $b),
    'those of a server that is cut off are gone');
in_time('cut off');
ok(wait_for(sub { there($c) eq 'carl dora eve! w1! w2!' }, 10),
    'for which the others are as last known') or diag(there($c));
is(seen(), 'carl: offline', 'they are said to have left, once');

$cables[2]->plug();

ok(all_see('carl dora eve w1 w2', $a, $b, $c), 'it is back')
    or diag(join ' / ', map { there($_) } $a, $b, $c);
diag(sprintf 'all as before %.1f s after it was cut off', time() - $now);
ok(wait_for(sub { (dora($a)->{connections} // 0) == 2 }),
    'and all are as before');
beats();
is(seen(), 'carl: online', 'they are said to be back, once');
is((grep { $_->{status} eq 'offline' } told($carl)), 0,
    'nobody left for those of the server that was cut off');


sub come {
    my ($s, $user) = @_;
    my $ws = ws_connect($s, "/?user=$user");

    $ws->recv_until('presence-list');
    return $ws;
}


# Who is there, "!" with those who are stale.
sub there {
    my ($s) = @_;
    return join ' ', sort map { $_->{userId} . ($_->{stale} ? '!' : '') }
                     @{(api($s, 'GET', '/presence'))[1]{reviewers} // []};
}


sub all_see {
    my ($users, @servers) = @_;
    return wait_for(sub { !grep { there($_) ne $users } @servers }, 20);
}


sub dora {
    my ($s) = @_;
    return (grep { $_->{userId} eq 'dora' }
            @{(api($s, 'GET', '/presence'))[1]{reviewers} // []})[0] // {};
}


sub in_time {
    my ($how) = @_;
    my $took = time() - $now;

    diag(sprintf '%s: gone for the others after %.2f s', $how, $took);
    cmp_ok($took, '<', 5, 'within five seconds');
}


# Waits until each of the servers has given some more signs of life.
sub beats {
    my @key = '{conductor:h}:servers';
    my $last = $redis->do('ZREVRANGE', @key, 0, 0, 'WITHSCORES')->[1];

    wait_for(sub { $redis->do('ZCOUNT', @key, $last + 2000, '+inf') == 3 });
}


sub told {
    my ($ws) = @_;

    return grep { $_->{type} eq 'presence-update' }
           map { decode_json($_) } @{$ws->sync()};
}


# Who was said to have left and to be back since, which must be the same to all
# who watch.
sub seen {
    my @all;

    for my $w (sort keys %watch) {
        my @said;

        for my $update (told($watch{$w})) {
            my $user = $update->{userId};
            my $gone = $update->{status} eq 'offline';

            next if !$gone && !$gone{$w}{$user};
            push @said, "$user: $update->{status}";
            $gone{$w}{$user} = $gone;
        }

        push @all, join ', ', @said;
    }

    return $all[0] eq $all[1] ? $all[0] : join ' / ', @all;
}
