#!/usr/bin/perl

# Roles see of presence what the hub shows them, and no more.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(22);

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
        zone      8m;
        history   events=100 size=64k;
        presence  memory leave=200ms tick=10ms;

        channel presence:updates { default on; roles staff boss guest; }

        event presence-update {
            redact  userId role unless_role=staff,boss;
            redact  lastSeen connections server;
            redact  connectionId unless_role=boss;
        }
    }

    conductor_jwt_key     HS256 "$secret";
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location / { conductor h; }
    }
}

EOF_CONF

$t->run();

my $boss = client($t, 'boss', 'boss');
my $staff = client($t, 'staff', 'staff');
my $other = client($t, 'other', 'other');

$_->recv_until('welcome') for $boss, $staff, $other;

my $guest = client($t, 'guest', 'guest');
my $list;

is(fields(list($boss)), 'connectedAt currentFeature reviewerId role status '
    . 'userId', 'what is redacted from everyone is in no list');
is(fields($list = list($staff)), 'connectedAt currentFeature reviewerId role '
    . 'status userId', 'one role sees who is there');
is(fields($list = list($guest)),
    'connectedAt currentFeature reviewerId status', 'another does not');

my %names = map { $_->{reviewerId} => 1 } @{$list->{reviewers}};
is(scalar(grep { /^r_[0-9a-f]{16}$/ } keys %names), 4,
    'and knows reviewers by names that tell nothing');

change($staff, 'busy', 'search');

my $update = told($boss, 'staff', 'busy');
is(join(' ', sort keys %$update), 'connectedAt connectionId currentFeature '
    . 'reviewerId role status timestamp type userId',
    'an update has what a role sees');
$update = told($staff, 'staff', 'busy');
is(join(' ', sort keys %$update), 'connectedAt currentFeature reviewerId role '
    . 'status timestamp type userId', 'without what is for others');
$update = $guest->recv_until(sub { ($_[0]{status} // '') eq 'busy' });
is(join(' ', sort keys %$update),
    'connectedAt currentFeature reviewerId status timestamp type',
    'nor who it is');
ok($names{$update->{reviewerId}}, 'but the name it has in the list');

is(scalar(grep { /"presence-/ } @{$other->sync()}), 0,
    'and who does not see the channel gets nothing');
is($other->command({ type => 'subscribe', channel => 'presence:updates' })
    ->{code}, 'forbidden', 'nor may subscribe it');
is(change($other, 'busy', 'x'), 'ack', 'but is seen by others');
is(told($boss, 'other', 'busy')->{role}, 'other', 'with its role');

# a filter sees what the client sees

is(filter($guest, { userId => 'boss' }), 0,
    'what is hidden cannot be found by a filter');
is(filter($staff, { userId => 'boss' }), 1, 'what is seen can');

# roles change

is(auth($guest, 'guest', 'staff'), 'ack', 'a role changes');
is(fields($list = list($guest)), 'connectedAt currentFeature reviewerId role '
    . 'status userId', 'a new list has what it sees now')
    or diag(explain($list));
is(told($boss, 'guest')->{role}, 'staff', 'others see the new role');

is(auth($guest, 'guest', 'nobody'), 'ack', 'it changes to one without');
change($staff, 'away', 'search');
told($boss, 'staff', 'away');
is(scalar(grep { /"away"/ } @{$guest->sync()}), 0, 'nothing comes any more');
is(auth($guest, 'guest', 'guest'), 'ack', 'and back');
ok(list($guest), 'then there is a list again');

is(join(' ', map { $_->faults() } $boss, $staff, $guest, $other), '',
    'without a fault');


# The fields of the reviewers in a list, which all have the same.
sub fields {
    my ($l) = @_;
    my %seen = map { join(' ', sort keys %$_) => 1 } @{$l->{reviewers}};

    return join ', ', keys %seen;
}


# How many a list with that filter has.
sub filter {
    my ($ws, $filter) = @_;

    $ws->command({ type => 'subscribe', channel => 'presence:updates',
        filter => $filter });
    my $total = list($ws)->{total};
    $ws->command({ type => 'subscribe', channel => 'presence:updates' });
    list($ws);

    return $total;
}


sub auth {
    my ($ws, $user, $role) = @_;

    return $ws->command({ type => 'auth', token => jwt({ sub => $user,
        role => $role }, key => $secret) })->{type};
}


sub client {
    my ($nginx, $user, @roles) = @_;

    return ws_connect($nginx, '/', token => jwt({ sub => $user,
        role => \@roles }, key => $secret));
}


sub list { $_[0]->recv_until('presence-list') }


sub change {
    my ($ws, $status, $feature) = @_;

    return $ws->command({ type => 'presence-update', status => $status,
        currentFeature => $feature })->{type};
}


# The next update of a user; the first with that status, if it is given.
sub told {
    my ($ws, $user, $status) = @_;

    return $ws->recv_until(sub {
        $_[0]{type} eq 'presence-update' && ($_[0]{userId} // '') eq $user
            && $_[0]{status} eq ($status // $_[0]{status});
    }) // {};
}
