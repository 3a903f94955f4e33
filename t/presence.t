#!/usr/bin/perl

# Who is there is told to all who may know: first a list, then what changes.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(29);

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
        name      node-1;
        history   events=100 size=64k;
        presence  memory leave=200ms tick=10ms;
    }

    conductor_jwt_key     HS256 "$secret";
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location /         { conductor h; }
        location /public   { conductor h; conductor_auth off; }
        location /echo     { conductor h; conductor_protocol echo; }
        location /publish  { conductor_publish h; conductor_auth off; }
    }
}

EOF_CONF

$t->run();

# the list

my $before = int(time() * 1000) - 1000;
my $ann = client($t, 'ann', 'architect');
my $conn = $ann->recv_json()->{connectionId};
my $list = $ann->recv_json();

is($list->{type}, 'presence-list', 'a list follows the welcome');
is("$list->{total} $list->{truncated}", '1 0', 'it is the whole list');
ok($list->{timestamp} >= $before, 'and has a time');

my $me = $list->{reviewers}[0];
my @times = delete @$me{qw/ connectedAt lastSeen /};
ok((grep { $_ >= $before && $_ < $before + 60000 } @times) == 2,
    'a reviewer is there since a time, and was seen at one');
is_deeply($me, { reviewerId => 'ann', userId => 'ann', role => 'architect',
    status => 'online', currentFeature => undef, connections => 1,
    server => 'node-1' }, 'who has connected is in its own list');

# joining

my $bob = client($t, 'bob');
my $bobs = $bob->recv_json()->{connectionId};
$list = $bob->recv_json();

is($list->{type}, 'presence-list', 'the next one gets a list before all else');
is(join(' ', map { $_->{userId} } @{$list->{reviewers}}), 'bob ann',
    'of both, the one that changed last first');

my $update = update($ann, 'bob');
ok(delete $update->{timestamp} >= $before
    && delete $update->{connectedAt} >= $before, 'an update has its times');
is_deeply($update, { type => 'presence-update', connectionId => $bobs,
    reviewerId => 'bob', userId => 'bob', role => undef, status => 'online',
    currentFeature => undef }, 'joining is told to those who are there');

# changing

is($bob->command({ type => 'presence-update', status => 'busy',
    currentFeature => "search \"\x{e9}\"" })->{type}, 'ack', 'a client is busy');
is(told($_, 'bob', 'busy')->{currentFeature}, "search \"\x{e9}\"",
    'it and the other are told') for $ann, $bob;

# leaving

$bob->close(1000);
$update = told($ann, 'bob', 'offline');
is($update->{connectionId}, $bobs, 'leaving is told with the connection');

my $carl = client($t, 'carl');
is(join(' ', map { $_->{userId} } @{list($carl)->{reviewers}}), 'carl ann',
    'who has left is in no list');

# without an identity

my $public = ws_connect($t, '/public');
$conn = $public->recv_until('welcome')->{connectionId};
$me = list($public)->{reviewers}[0];
is_deeply([ @$me{qw/ reviewerId userId role /} ], [ $conn, undef, undef ],
    'without an identity a reviewer is a connection');
is(told($ann, sub { !defined $_[0]{userId} }, 'online')->{reviewerId}, $conn,
    'others are told so');

# who takes no part

my $echo = ws_connect($t, '/echo',
    token => jwt({ sub => 'echo' }, key => $secret));
$echo->send_text('x');
is($echo->recv_text(), 'x', 'a connection that echoes is there');
$public->close(1000);
is(told($ann, sub { ($_[0]{userId} // 'echo') eq 'echo' },
    'offline')->{reviewerId}, $conn, 'but is no reviewer');

# nobody publishes it

my $event = { type => 'presence-update', userId => 'eve', status => 'online' };
my ($status, $body) = publish($t, $event);
is("$status $body->{field} $body->{index}", '422 type 0',
    'presence is not published over HTTP');
like($body->{error}, qr/not published/, 'and the answer says so');
my $answer = $ann->command({ type => 'publish', event => $event });
is($answer->{code}, 'forbidden', 'nor over WebSocket');
like($answer->{error}, qr/not published/, 'which says so, too');

# subscriptions

is(command($ann, 'unsubscribe')->{type}, 'ack', 'it may be unsubscribed');
change($carl, 'away');
is(told($carl, 'carl', 'away')->{status}, 'away',
    'while others are told of a change');
is(scalar(grep { /"presence-/ } @{$ann->sync()}), 0, 'this one is not');
is(command($ann, 'subscribe')->{type}, 'ack', 'and subscribed again');
$list = $ann->recv_json();
is("$list->{type} $list->{total}", 'presence-list 2', 'with a new list');
change($carl, 'busy');
is(told($ann, 'carl', 'busy')->{status}, 'busy', 'and what changes then');

is(join(' ', map { $_->faults() } $ann, $bob, $carl, $public), '',
    'all of it is as the protocol says');


sub client {
    my ($nginx, $user, $role) = @_;
    my %claims = (sub => $user);

    $claims{role} = $role if $role;
    return ws_connect($nginx, '/', token => jwt(\%claims, key => $secret));
}


sub list { $_[0]->recv_until('presence-list') }

sub command {
    my ($ws, $type) = @_;
    return $ws->command({ type => $type, channel => 'presence:updates' });
}

sub change { $_[0]->command({ type => 'presence-update', status => $_[1] }) }


# The next update of a user, or one that a function finds right.
sub update {
    my ($ws, $user) = @_;

    my $right = ref $user ? $user
        : sub { ($_[0]{userId} // '') eq $user };

    return $ws->recv_until(sub {
        $_[0]{type} eq 'presence-update' && $right->($_[0]) });
}


# The first that says so.
sub told {
    my ($ws, $user, $status) = @_;

    while (my $update = update($ws, $user)) {
        return $update if $update->{status} eq $status;
    }

    return {};
}
