#!/usr/bin/perl

# Who is there, on whatever server of the hub, is told to all; and who is on
# two servers is one.

use warnings;
use strict;

use JSON::PP qw/ decode_json /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /)
    ->has_daemon('redis-server')->has_daemon('sqlite3'))->plan(30);

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
        zone      16m;
        name      node-%%N%%;
        state     %%TESTDIR%%/state;
        history   events=1000 size=256k;
        presence  tasks.db ttl=1m leave=500ms tick=10ms;
        redis     redis://127.0.0.1:8379;
    }

    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor           h;
            conductor_identity  user=$arg_user role=$arg_role;
        }

        location /presence { conductor_presence h; }
        location /health   { conductor_health h; }
    }
}

EOF_CONF

ok(hub_is('connected', undef, $a, $b), 'two servers are joined by Redis');

# here and there

my $ann = client($a, 'ann', 'architect');
my $bob = client($b, 'bob');

is(wait_told($_, 'ann bob'), 'ann bob', "$_->{number}: both are there")
    for $a, $b;

my $anns = reviewer($b, 'ann');
is(join(' ', @$anns{qw/ role status connections server /}),
    'architect online 1 node-1', 'with what the other server says');
is($anns->{connectedAt}, reviewer($a, 'ann')->{connectedAt},
    'and since when');
ok(!exists $anns->{stale}, 'which is true');
is(reviewer($a, 'bob')->{server}, 'node-2', 'each on its server');

my $carl = client($b, 'carl');
is(join(' ', sort map { $_->{userId} }
    @{$carl->recv_until('presence-list')->{reviewers}}), 'ann bob carl',
    'the list that a client gets has all');
is(told($ann, 'carl', 'online')->{type}, 'presence-update',
    'and clients of the other server are told who joins');

# what is said

$ann->command({ type => 'presence-update', status => 'busy',
    currentFeature => 'search' });
is(told($bob, 'ann', 'busy')->{currentFeature}, 'search',
    'what is said on one server is told on the other');
ok(wait_for(sub { row($_, 'ann') eq 'busy search' }),
    "$_->{number}: and is in its database") for $a, $b;

# one reviewer on two servers

my $other = client($b, 'ann', 'architect');
ok(wait_for(sub { eval { reviewer($_, 'ann')->{connections} == 2 } }),
    "$_->{number}: who is on two servers is one") for $a, $b;
is(reviewer($_, 'ann')->{currentFeature}, 'search',
    "$_->{number}: a second one that says nothing does not undo that")
    for $a, $b;

$other->command({ type => 'presence-update', status => 'away',
    currentFeature => 'docs' });
ok(wait_for(sub { says($_, 'ann') eq 'away docs node-2' }),
    "$_->{number}: what is said last is told, wherever") for $a, $b;

$other->close(1000);
ok(wait_for(sub { says($_, 'ann') eq 'busy search node-1' }),
    "$_->{number}: when that one ends, what the other said") for $a, $b;

# leaving

$ann->close(1000);
is(told($bob, 'ann', 'offline')->{status}, 'offline',
    'leaving is told on the other server');
is(told($carl, 'ann', 'offline')->{currentFeature}, 'search', 'once');
ok(wait_for(sub { row($_, 'ann') eq 'offline search' }),
    "$_->{number}: and is in its database") for $a, $b;

# to another server

$carl->command({ type => 'presence-update', status => 'busy',
    currentFeature => 'move' });
ok(wait_for(sub { says($a, 'carl') eq 'busy move node-2' }), 'carl is busy');
my $since = reviewer($a, 'carl')->{connectedAt};
$carl->close(1000);
ok(wait_for(sub { reviewer($a, 'carl')->{connections} == 0 }),
    'it loses its server');
$carl = client($a, 'carl');
ok(wait_for(sub { says($_, 'carl') eq 'busy move node-1' }),
    "$_->{number}: who comes to another one goes on with what it said")
    for $a, $b;
is(reviewer($b, 'carl')->{connectedAt}, $since, 'and was there all the time');
is(join(' ', grep { $_ eq 'offline' } updates($bob, 'carl')), '',
    'so nobody was told that it left');

$_->close(1000) for $bob, $carl;


sub client {
    my ($s, $user, $role) = @_;
    return ws_connect($s, '/?user=' . $user . '&role=' . ($role // 'guest'));
}


sub reviewers {
    my ($s) = @_;
    return @{(api($s, 'GET', '/presence'))[1]{reviewers}};
}


sub reviewer {
    my ($s, $user) = @_;
    return (grep { ($_->{userId} // '') eq $user } reviewers($s))[0];
}


sub says {
    my ($s, $user) = @_;
    my $r = reviewer($s, $user) // return '';
    return join ' ', map { $_ // '' } @$r{qw/ status currentFeature server /};
}


sub wait_told {
    my ($s, $users) = @_;
    my $told = '';

    wait_for(sub {
        $told = join ' ', sort map { $_->{userId} } reviewers($s);
        $told eq $users;
    });

    return $told;
}


# The next update of somebody with that status.
sub told {
    my ($ws, $user, $status) = @_;

    while (my $message = $ws->recv_until('presence-update')) {
        return $message if $message->{userId} eq $user
                           && $message->{status} eq $status;
    }

    return {};
}


# What was said of somebody since.
sub updates {
    my ($ws, $user) = @_;

    return map { $_->{status} }
           grep { $_->{type} eq 'presence-update' && $_->{userId} eq $user }
           map { decode_json($_) } @{$ws->sync()};
}


sub row {
    my ($s, $user) = @_;
    my $rows = sql($s, 'tasks.db', 'SELECT status || " " || current_feature'
        . " FROM reviewer_presence WHERE reviewer_id = '$user'");
    return $rows ? $rows->[0] // '' : '';
}
