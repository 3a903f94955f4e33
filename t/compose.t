#!/usr/bin/perl

# The compose file of one server: as that user and with those rights, on a root
# that cannot be written, it serves the dashboard, publishes and keeps presence.

use warnings;
use strict;

use Test::More;
use Time::HiRes qw/ time /;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Compose;
use Test::Conductor::Net;

select STDERR; $| = 1;
select STDOUT; $| = 1;

own_network();

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->has_daemon('sqlite3')->plan(27);

my $key = 'a secret of at least thirty-two bytes';

# The file itself.

my ($none, $said) = compose_config($t, [ 'compose.yaml' ]);

is($none, undef, 'without a secret there is no start');
like($said, qr/add JWT_SECRET=\.\.\. to \.env.* openssl rand -hex 32/,
    'and what is missing is said');

my ($config) = compose_config($t, [ 'compose.yaml' ], JWT_SECRET => $key,
    RATE_LIMIT_MAX_MESSAGES => 3);
my ($server) = values %{$config->{services}};

is(keys %{$config->{services}}, 1, 'it has one service');
ok($server->{read_only}, 'whose root cannot be written');
is("@{$server->{cap_drop}}", 'ALL', 'which has no capability');
is($server->{environment}{RATE_LIMIT_MAX_MESSAGES}, 3,
    'a setting of .env reaches it');

# Started, on another port of the machine.

my $c = compose($t, [ 'compose.yaml' ], JWT_SECRET => $key,
                WEBSOCKET_PORT => 5222);
my $s = $c->service('conductor');

my $begun = time();

ok($s->start(), 'it starts and is healthy') or diag($s->err());
note(sprintf 'result: one server is healthy %.1f s after its start',
     time() - $begun);

my %token = map { $_ => token($_) } qw/ system reviewer /;
my %status = status($s->pid());

is(join(' ', grep { $_ == 0 } split ' ', $status{Uid}), '', 'not as root');
is(hex($status{CapBnd}) | hex($status{CapEff}), 0, 'with no rights beyond');
is($status{NoNewPrivs}, 1, 'and never any');

# As its users see it, from this machine and from others.

my @out = (peer => '192.0.2.1', port => 5222);

like((api($t, 'GET', '/', @out))[1], qr/<h1>Conductor/,
    'the dashboard is there');
ok(wait_for(sub { (health($t, @out))[1]{status} eq 'ok' }), 'it is well');
like(($s->health())[1], qr/"server":"conductor-\w+"/,
    'and says so to the check of its image');

my $ws = ws_connect(port(5222), '/', peer => '192.0.2.1',
                    source => '192.0.2.7', token => $token{reviewer});

my $welcome = $ws->recv_until('welcome');
my $before = $welcome->{lastEventId};

is($welcome->{userId}, 'reviewer',
   'a client comes, with a token that the container has made');
is((publish($t, task(1), @out, token => $token{system}))[0], 200,
   'an event is published');
is(($ws->recv_until('task-status-changed') || {})->{taskId}, 'T1',
   'and arrives');
is((publish($t, task(2), @out))[0], 401, 'which takes a token');
is((publish($t, task(2), port => 5222))[0], 401,
   'from the machine around it, too');

ok(wait_for(sub { "@{here()}" eq 'reviewer' }), 'presence shows who is here');
ok(wait_for(sub { "@{rows()}" eq 'reviewer|online' }),
   'and so does the database in the volume');
is((api($t, 'GET', '/metrics', @out))[0], 403,
   'figures are for nobody outside');
is((api($t, 'GET', '/admin/connections', port => 5222))[0], 403,
   'nor is administration, for the machine around it either');
like($s->out(), qr/^192\.0\.2\.7 .*"GET \/ .*" 101 /m,
   'who came is in what an engine collects, by the address there');

# Stopped, and started again.

$begun = time();
is($s->stop(), 0, 'it ends in time when it is told to, with 0');
is(($ws->expect_close())[0], 1012, 'and has sent its clients away');
note(sprintf 'result: it has drained and ended %.1f s after its signal, of %d',
     time() - $begun, $s->grace());

$s->start();
$ws = ws_connect(port(5222), "/?since=$before", peer => '192.0.2.1',
                 token => $token{reviewer});

is(($ws->recv_until('task-status-changed') || {})->{taskId}, 'T1',
   'started again, it still has what they missed');
ok(($ws->recv_until('resumed') || {})->{recovered}, 'all of it');

###############################################################################

# A token, as it is made in the container.
sub token {
    my ($role) = @_;
    my ($good, $said) = $s->exec('/usr/share/conductor/token', $role, $role);

    return $said =~ s/\n\z//r;
}


sub task {
    return { type => 'task-status-changed', taskId => "T$_[0]",
             featureSlug => 'search', oldStatus => 'InProgress',
             newStatus => 'InReview' };
}


# What the kernel says of a process.
sub status {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/status" or die "no process: $!\n";
    return map { /^(\w+):\s+(.*)/ } <$f>;
}


# The reviewers that are here.
sub here {
    my $answer = (api($t, 'GET', '/presence', @out,
                      token => $token{reviewer}))[1];

    return [ map { $_->{userId} } @{$answer->{reviewers}} ];
}


# What the database has.
sub rows {
    my ($volume) = grep { $_->{named} } $s->mounts();

    my $file = "$volume->{source}/tasks.db";

    chomp(my @rows = `sqlite3 -cmd '.timeout 2000' '$file' \\
        'SELECT reviewer_id, status FROM reviewer_presence' 2>&1`);
    return \@rows;
}
