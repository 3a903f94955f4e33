#!/usr/bin/perl

# Presence and what was missed: the list comes when a client is live.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(14);

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
        zone      4m;
        history   events=1000 size=256k;
        presence  memory leave=200ms tick=10ms;

        channel c                 { default on; }
        channel presence:updates  { default on; }
        event e { channel c; }
    }

    conductor_jwt_key         HS256 "$secret";
    conductor_limit_conn      off;
    conductor_limit_messages  off;

    server {
        listen 127.0.0.1:8080;

        location /         { conductor h; }
        location /publish  { conductor_publish h; conductor_auth off; }
    }
}

EOF_CONF

$t->run();

my $n = 0;
my $ann = client('ann');
my $zero = $ann->recv_until('welcome')->{lastEventId};
$ann->recv_until('presence-list');
events($t, 3);

# with the handshake

my $bob = client('bob', "/?since=$zero");
is(types($bob, 6), 'welcome e e e resumed presence-list',
    'who comes back gets what it missed, and then who is here');
is(seen($ann, 'bob', 'online')->{userId}, 'bob', 'others see it at once');

# on hold

my $cid = client('cid', '/?hold=1');
$cid->recv_until('welcome');
is(seen($ann, 'cid', 'online')->{userId}, 'cid', 'also one on hold');

is($cid->command({ type => 'presence-update', status => 'busy' })->{type},
    'ack', 'which may say how it is');
is(seen($ann, 'cid', 'busy')->{userId}, 'cid', 'to the others');
seen($bob, 'cid', 'busy');

is($ann->command({ type => 'presence-update', status => 'away' })->{type},
    'ack', 'somebody else changes');
seen($bob, 'ann', 'away');

is(scalar @{$cid->sync()}, 0, 'it is told nothing of that');

$cid->send_json({ type => 'resume', since => $zero });
is(types($cid, 5), 'e e e resumed presence-list', 'until it resumes');
is(join(' ', map { "$_->{userId}:$_->{status}" }
    sort { $a->{userId} cmp $b->{userId} }
    @{$cid->{list}{reviewers}}), 'ann:away bob:online cid:busy',
    'then all there is');

# without the channel, and with it

my $dan = client('dan', '/?hold=1');
$dan->recv_until('welcome');
$dan->send_json({ type => 'resume', since => $zero,
    subscriptions => [ { channel => 'c' } ] });
is(types($dan, 4), 'e e e resumed', 'who does not subscribe to presence');
seen($bob, 'dan', 'online');
is($ann->command({ type => 'presence-update', status => 'online' })->{type},
    'ack', 'is told nothing');
seen($bob, 'ann', 'online');
is(scalar @{$dan->sync()}, 0, 'neither at once nor later');

$dan->send_json({ type => 'resume', since => $zero, subscriptions => [
    { channel => 'c' }, { channel => 'presence:updates' } ] });
is(types($dan, 2), 'resumed presence-list',
    'until it resumes with that channel');

is(join(' ', map { $_->faults() } $ann, $bob, $cid, $dan), '',
    'without a fault');


sub client {
    my ($user, $path) = @_;

    return ws_connect(Test::Nginx::port(8080), $path // '/',
        token => jwt({ sub => $user, exp => time() + 600 }, key => $secret));
}


# The types of the next messages; a list is kept.
sub types {
    my ($ws, $count) = @_;
    my @types;

    for (1 .. $count) {
        my $m = $ws->recv_json() // last;

        $ws->{list} = $m if $m->{type} eq 'presence-list';
        push @types, $m->{type};
    }

    return join ' ', @types;
}


# The update that says this of a user.
sub seen {
    my ($ws, $user, $status) = @_;

    return $ws->recv_until(sub { $_->{type} eq 'presence-update'
        && $_->{userId} eq $user && $_->{status} eq $status }) // {};
}


sub events {
    my ($nginx, $count) = @_;
    my ($status) = publish($nginx, [ map { { type => 'e', n => ++$n } }
        1 .. $count ]);

    die "status $status\n" if $status != 200;
}
