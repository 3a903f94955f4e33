#!/usr/bin/perl

# Disconnecting clients of any worker, and what a worker finds that stood
# still, died or was left behind by a reload; a full table of revocations.

use warnings;
use strict;

use List::Util qw/ first /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(28);

$t->todo_alerts(killed());

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 2m;
        history size=64k;
        drain 1h;
        channel c { default on; }
        event e { channel c; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_identity user=$arg_user; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
        location /admin   { conductor_admin h; }
    }
}

EOF_CONF

$t->run();

my $later = (time() + 3600) * 1000;

###############################################################################

# One of many.

my @all = map { client($t, 'ann') } 1 .. 12;
my @gone = @all[grep { $_ % 2 } 0 .. 11];
my @stay = @all[grep { !($_ % 2) } 0 .. 11];

for my $ws (@gone) {
    my ($code, $said) = disconnect($t, $ws);
    is_deeply([ $code, $said ], [ 200, { connectionId => $ws->{id} } ],
        'a client of some worker is disconnected');
}

is(scalar(grep { join(' ', $_->expect_close()) eq '1000 disconnected 1' }
          @gone), 6, 'with a code that lets it come back');
ok(wait_for(sub { (disconnect($t, $gone[0]))[0] == 404 }),
    'then it is not there');
is(scalar(grep { ($_->command({ type => 'ping' }) // {})->{type} eq 'pong' }
          @stay), 6, 'the others are');

my $again = client($t, 'ann');
is($again->command({ type => 'ping' })->{type}, 'pong', 'it may come back');
$_->drop() for @stay, $again;

# A worker that stands still while very much is asked.

SKIP: {
    skip 'one worker answers for itself', 7 if workers() == 1;

    my @clients = map { client($t, "s$_") } 1 .. 24;
    my $stopped = first { stop($t, $_, @clients) } worker_pids($t);

    ok($stopped, 'a worker that has clients stands still');

    # a message is there before the revocation, and read after it

    my @late = grep { !$_->sync(0.3) } @clients[map { $_ * 3 } 0 .. 7];
    $_->send_json({ type => 'ping', id => 'late' }) for @late;

    for my $n (1 .. 24) {
        disconnect($t, $clients[$n - 1]) if $n % 3 == 0;
        revoke($t, user => "s$n") if $n % 3 == 1;
    }

    revoke($t, user => 'x', until => $later + $_) for 1 .. 300;
    api($t, $_, '/admin/drain') for qw/ POST DELETE / x 10;
    revoke($t, user => 's4', until => 0);

    kill 'CONT', $stopped;

    my @answer = grep { $_ ne $clients[3] && $_->recv_json() } @late;
    is(scalar(@answer), 0, 'it carries out nothing for who was revoked');

    my @code = map { my $n = $_; [ map { $_ // '' }
        $n % 3 == 2 || $n == 4 ? () : $clients[$n - 1]->expect_close() ] }
        1 .. 24;

    is(scalar(grep { ($_->[0] // '') eq '1000' } @code), 8,
        'when it goes on, all that were to go have gone');
    is(scalar(grep { ($_->[0] // '') eq '4500' } @code), 7,
        'and all that were revoked');
    is(scalar(grep { $_->sync() } @clients[map { $_ * 3 + 1 } 0 .. 7]), 8,
        'and nobody else');

    my $ws = client($t, 's4');
    ok($ws->sync(), 'whoever was pardoned comes back');
    $_->drop() for @clients, $ws;

    ok(!$t->find_in_file('error.log', qr/repairing/), 'nothing was damaged');
}

# A worker that dies after it was told to disconnect somebody.

my @last = map { client($t, 'bob') } 1 .. 8;
my ($pid) = worker_pids($t);

stop($t, $pid) if workers() > 1;
disconnect($t, $_) for @last;
kill 'KILL', $pid;

is(scalar(grep { ($_->expect_close() // 1006) =~ /./ } @last), 8,
    'its clients are gone with it');
ok(wait_for(sub { (health($t))[1]{connections} == 0 }),
    'and given back');
ok(wait_for(sub { worker_pids($t) == workers() }), 'another worker comes');

# Its place in the registry is another's: nothing is left of the mark.

my @next = map { client($t, 'bob') } 1 .. 8;
disconnect($t, $next[0]);
is(($next[0]->expect_close())[0], 1000, 'one of those after it goes');
is(scalar(grep { $_->sync() } @next[1 .. 7]), 7, 'no other one does');

# Old workers.

ok(reload_workers($t), 'reloaded');
disconnect($t, $next[1]);
is(join(' ', $next[1]->expect_close()), '1000 disconnected 1',
    'a client of an old worker is disconnected');
is(scalar(grep { $_->sync() } @next[2 .. 7]), 6, 'and no other');

# A table of 512.

my ($n, $code, $said) = (0);

do {
    ($code, $said) = revoke($t, user => 'u' . ++$n);
} while $code == 200 && $n < 2000;

is($code, 503, 'the table is full');
ok($n > 400, "after $n and what was there");
like($said->{error}, qr/table of revocations is full/, 'which is said');

$_->drop() for @next;

###############################################################################

sub client {
    my ($t, $user) = @_;
    my $ws = ws_connect($t, "/?user=$user");

    $ws->{id} = $ws->recv_until('welcome')->{connectionId};
    return $ws;
}


# Stops a worker; it goes on if it has none of the clients.
sub stop {
    my ($t, $pid, @clients) = @_;

    halt($pid);

    # the first connection may be the one that it was to take

    my @first = map { ws_connect($t, '/', wait => 0) } 1 .. 4;

    return 1 if !@clients || first { !$_->sync(0.5) } @clients;

    kill 'CONT', $pid;
    return 0;
}


sub disconnect {
    my ($t, $ws) = @_;
    return (api($t, 'DELETE', "/admin/connections/$ws->{id}"))[0, 1];
}


sub revoke {
    my ($t, %what) = @_;
    return (api($t, 'POST', '/admin/revocations', body =>
        JSON::PP->new->encode({ until => $later, %what })))[0, 1];
}
