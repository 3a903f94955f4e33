#!/usr/bin/perl

# The list of connections: whose they are, what is queued for them, how much
# they sent and got, and how fast they answer, whichever worker has them.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(46);

my $secret = 'a secret of at least thirty-two bytes';

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 8m;
        history size=1m;
        name node-1;
        presence on;
        channel c { default on; }
        channel presence:updates { }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080 sndbuf=32k;

        conductor_limit_conn off;
        conductor_ping 1s timeout=20s;
        conductor_max_queue 8m;

        location / {
            conductor h;
            conductor_jwt_key HS256 "a secret of at least thirty-two bytes";
        }

        location /anyone  { conductor h; conductor_auth off; }
        location /echo    { conductor h; conductor_auth off;
                            conductor_protocol echo; }
        location /publish { conductor_publish h; }
        location /admin   { conductor_admin h; }
    }
}

EOF_CONF

$t->run();

my $began = time() * 1000 - 1000;

is_deeply(only(listing()), [], 'there is nobody');

my %ws = map { $_->[0] => person(@$_) }
    [ ann => 'architect' ], [ bob => [ 'reviewer', 'admin' ] ],
    [ "z\x{eb}\"" => 'reviewer' ];

$ws{ann}->send_json({ type => 'presence-update', status => 'busy', id => 1,
                 currentFeature => 'checkout' });
$ws{ann}->recv_until('ack');

###############################################################################

# What is said of one.

my ($c) = @{only(listing('user=ann'))};

is($c->{connectionId}, $ws{ann}{id}, 'a connection has its id');
is($c->{userId}, 'ann', 'its user');
is($c->{role}, 'architect', 'its role');
is($c->{address}, '127.0.0.1', 'its address');
is($c->{server}, 'node-1', 'its server');
ok((grep { $_ == $c->{worker} } worker_pids($t)), 'its worker');
is($c->{transport}, 'websocket', 'its transport');
is($c->{protocol}, 'native', 'its protocol');
is($c->{status}, 'busy', 'its status');
is($c->{currentFeature}, 'checkout', 'its feature');
is($c->{subscriptions}, 1, 'how many channels it has');
ok($c->{connectedAt} >= $began, 'since when it is there');
ok($c->{lastSeen} >= $c->{connectedAt}, 'when it was last heard');
is_deeply($c->{queue}, { bytes => 0, messages => 0 }, 'and no queue');
ok(!exists $c->{stale}, 'as of now');

# Who is asked for.

is_deeply(users('role=reviewer'), [ 'bob', "z\x{eb}\"" ], 'by role');
is_deeply(users('role=admin'), [ 'bob' ], 'each of several roles');
is_deeply(users('role=admi'), [], 'but not by half of one');
is_deeply(users('user=z%C3%AB%22'), [ "z\x{eb}\"" ], 'by any user');
is_deeply(users('feature=checkout'), [ 'ann' ], 'by feature');
is_deeply(users('role=reviewer&user=ann'), [], 'by both of two things');
is(scalar @{users('address=127.0.0.1')}, 3, 'by address');
is(scalar @{users('address=127.0.0.0/8')}, 3, 'by network');
is_deeply(users('address=10.0.0.0/8'), [], 'if it is in it');
is_deeply(users('address=%3A%3A/0'), [], 'of its family');

my $anyone = ws_connect($t, '/anyone');
$anyone->recv_until('welcome');
($c) = @{only(listing('user='))};
is($c->{userId}, undef, 'who has no user has none');
is($c->{role}, undef, 'nor a role');

for (qw/ limit=0 limit=10001 limit=x cursor=x address=1%2F99 /) {
    is((listing($_))[0], 400, "not by $_");
}

# What only its worker knows.

my ($before) = @{only(listing('user=bob'))};

publish($t, [ map { { type => 'e', n => $_ } } 1 .. 7 ]);
$ws{bob}->recv_until('e') for 1 .. 7;
$ws{bob}->send_json({ type => 'ping', id => $_ }) for 1 .. 3;
$ws{bob}->recv_until('pong') for 1 .. 3;

($c) = @{only(listing('user=bob'))};

is($c->{sent}{messages} - $before->{sent}{messages}, 10,
    'it was sent what it got');
is($c->{received}{messages} - $before->{received}{messages}, 3,
    'and sent what it sent');
ok($c->{sent}{bytes} - $before->{sent}{bytes} > 7 * 40, 'in bytes, too');
ok($c->{rate}{sent} > 0, 'which is a rate');

ok(wait_for(sub { $ws{bob}->sync(); defined
    only(listing('user=bob'))->[0]{latencyMs} }), 'a ping measures it');

# One that does not read.

my $big = 'x' x 60_000;
my $slow = person('slow', 'none', rcvbuf => 4096);

publish($t, { type => 'e', big => $big }) for 1 .. 50;

ok(wait_for(sub {
    $c = only(listing('user=slow'))->[0];
    return $c->{queue}{messages} > 5;
}), 'what is queued for a slow one');
ok($c->{queue}{bytes} > 5 * 60_000, 'in bytes');
ok($c->{queue}{bytes} <= $c->{queue}{messages} * 70_000, 'and no more');

# In pages, over all workers.

my $many = many_clients($t, 40, path => '/anyone');
$many->wait_each(1, 'welcome');

my (%seen, $cursor, $pages);

do {
    my (undef, $said) = listing('limit=7' . ($cursor ? "&cursor=$cursor" : ''));
    $seen{$_->{connectionId}}++ for @{$said->{connections}};
    $cursor = $said->{cursor};
} while ($cursor && ++$pages < 20);

is(scalar keys %seen, 45, 'all are there, page by page');
is((grep { $_ != 1 } values %seen), 0, 'each once');
is((listing('limit=7'))[1]{total}, 45, 'and how many they are');

# A worker that does not answer.

my @workers = worker_pids($t);
my $worker = only(listing('user=ann'))->[0]{worker};

SKIP: {
    skip 'it would have to answer for itself', 2 if @workers == 1;

    my ($other) = grep { $_->{worker} != $worker }
                  @{(listing('limit=100'))[1]{connections}};

    skip 'no worker has all of them', 2 unless $other;

    halt($worker);

    my $said = wait_for(sub {
        my ($code, $said) = api($t, 'GET', '/admin/connections?user=ann');
        return $code && $said;
    });

    kill CONT => $worker;

    is($said->{connections}[0]{userId}, 'ann', 'is not waited for for long');
    ok($said->{connections}[0]{stale}, 'which is said');
}


###############################################################################

sub listing {
    my ($query) = @_;

    return api($t, 'GET', '/admin/connections' . ($query ? "?$query" : ''));
}


sub only {
    my ($code, $said) = @_;

    return $code == 200 ? $said->{connections} : [];
}


sub users {
    return [ sort map { $_->{userId} } @{only(listing(@_))} ];
}


sub person {
    my ($name, $role, %opt) = @_;

    my $ws = ws_connect($t, '/', %opt,
        token => jwt({ sub => $name, role => $role, exp => time() + 600 },
                     key => $secret));

    $ws->{id} = $ws->recv_until('welcome')->{connectionId};
    return $ws;
}
