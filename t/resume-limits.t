#!/usr/bin/perl

# Who is on hold, or waits for what it missed, is a client like any other: to
# time-outs, to its token's end, to revocations and to a reload.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::JWT;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(15);

my $secret = 'a secret of at least 32 bytes, better random';

$t->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     24m;
        history  events=4000 size=12m;
        drain    200ms;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_jwt_key         HS256 "$secret";
    conductor_limit_conn      off;
    conductor_limit_messages  off;
    conductor_max_queue       8k;

    server {
        listen 127.0.0.1:8080 sndbuf=4k;

        location /         { conductor h; conductor_ping 100ms; }
        location /silent   { conductor h; conductor_ping 100ms timeout=300ms; }
        location /admin    { conductor_admin h; conductor_auth off; }
        location /publish  { conductor_publish h; conductor_auth off; }

        location /idle {
            conductor h;
            conductor_ping off;
            conductor_idle_timeout 300ms;
        }
    }
}

EOF_CONF

$t->run();

my $n = 0;
my ($zero) = events($t, 1, 10);
events($t, 10, 2000) for 1 .. 40;

# time-outs

my $held = client('ann', '/?hold=1');
$held->recv_until('welcome');
ok(wait_for(sub { $held->take(); @{$held->pings()} >= 3 }),
    'a client on hold is pinged');
is($held->command({ type => 'ping' })->{type}, 'pong',
    'and stays, as it answers');

my $silent = client('ann', '/silent?hold=1', pong => 0);
is(($silent->expect_close())[0], 1006, 'one that does not is given up');

$silent = client('ann', '/idle?hold=1');
is(($silent->expect_close())[0], 4408, 'one that is idle is told so');

$silent = client('ann', "/idle?since=$zero", rcvbuf => 4096);
is(($silent->expect_close())[0], 4408,
    'so is one whose missed events wait for it');

# the end of a token

my $short = client('ann', '/?hold=1', exp => 2);
my $slow = client('ann', "/?since=$zero", exp => 2, rcvbuf => 4096);
is(($short->expect_close(15))[0], 4401, 'a token ends on hold');
is(($slow->expect_close(15))[0], 4401, 'and while missed events wait');

# revocations

$short = client('bob', '/?hold=1');
$slow = client('bob', "/?since=$zero", rcvbuf => 4096);
$_->recv_until('welcome') for $short, $slow;

is((api($t, 'POST', '/admin/revocations', body =>
    '{"user":"bob","until":' . (time() + 3600) * 1000 . '}'))[0], 200,
    'a user is revoked');
is(($short->expect_close())[0], 4500, 'which ends a hold');
is(($slow->expect_close())[0], 4500, 'and a replay');

# a reload

$slow = client('ann', "/?since=$zero", rcvbuf => 4096);
my @got = map { $slow->recv_until('e') } 1 .. 5;

$t->reload();

is(($held->expect_close())[0], 1012, 'a reload ends a hold');

while (my $m = $slow->recv_json()) {
    push @got, $m if $m->{type} eq 'e';
}

is(($slow->expect_close())[0], 1012, 'and a replay, between two events');

cmp_ok(scalar(@got), '<', $n - 1, 'that was not over');

my $again = client('ann', "/?since=$got[-1]{eventId}");

while (my $m = $again->recv_json()) {
    last if $m->{type} eq 'resumed';
    push @got, $m if $m->{type} eq 'e';
}

is(join(' ', map { $_->{n} } @got), join(' ', 2 .. $n),
    'and goes on where it ended');
is(join(' ', map { $_->faults() } $held, $slow, $again), '',
    'without a fault');


sub client {
    my ($user, $path, %opt) = @_;
    my $exp = time() + (delete $opt{exp} // 600);

    return ws_connect(Test::Nginx::port(8080), $path, token =>
        jwt({ sub => $user, exp => $exp }, key => $secret), %opt);
}


# Publishes so many events of some octets; their ids.
sub events {
    my ($nginx, $count, $size) = @_;
    my ($status, $body) = publish($nginx, [ map {
        { type => 'e', n => ++$n, s => 'x' x $size } } 1 .. $count ]);

    die "status $status\n" if $status != 200;
    return @{$body->{eventIds}};
}
