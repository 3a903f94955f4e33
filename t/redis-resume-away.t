#!/usr/bin/perl

# Clients of a server that was alone, and is killed while Redis is away, go to
# another one: there they are like all others, though they have had what it
# will get only when that server is back.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Clients;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
                           ->has_daemon('redis-server'))->plan(28);

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
        presence  memory leave=500ms tick=10ms;
        redis     redis://127.0.0.1:8379 timeout=1s;

        channel c { default on; }
        channel d { }
        channel presence:updates { default on; }
        event e { channel c; require n; }
        event f { channel d; require n; }
    }

    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor           h;
            conductor_identity  user=$arg_user role=reviewer;
        }

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

ok(hub_is('connected', undef, $a, $b), 'two servers are joined by Redis');

my $all = Test::Conductor::Clients->new($a, 50,
                                        path => sub { "/?user=u$_[0]" });

event($a, 'first');
ok($all->wait_each(1, 'e'), 'the clients of one have an event of both');

# Redis is gone; each is alone

$redis->kill();

event($a, 'a1');
ok($all->wait_each(2, 'e'), 'and one of it alone');

my $early = ($all->messages(0, 'e'))[-1]{eventId};
event($a, 'a2', 'a3');
ok($all->wait_each(4, 'e'), 'and more');

my $since = ($all->messages(0, 'e'))[-1]{eventId};
my ($id) = $since =~ /(~.*)/;
like($id, qr/^~\d+\.\d+$/, 'and their ids say whose they are');

ok(wait_for(sub { kept() == 3 }), 'it is on disk');

event($b, 'b1');
crash($a);

# its clients go to the other one; some have not had all

$all = Test::Conductor::Clients->new($b, 50, path => sub {
    "/?user=u$_[0]&since=" . ($_[0] % 10 ? $since : $early);
});

ok($all->wait_each(1, 'resumed'), 'when it is killed they go to the other');
is_deeply(seen(), { 'b1' => 50 }, 'which gives them what it had alone');
ok($all->wait_each(1, 'presence-list'), 'all are told who is there');

event($b, 'b2');
ok($all->wait_each(2, 'e'), 'they get what is new');

my @last = map { ($all->messages($_, 'e'))[-1]{eventId} } 1, 2, 10;
like($last[0], qr/\Q$id\E/, 'with ids that say what they have had');
is($last[1], $last[0], 'which are the same for who has had the same');
isnt($last[2], $last[0], 'and others for others');

my $new = ws_connect($b, '/?user=new');
$new->recv_until('welcome');
ok($all->run_until(sub {
    !grep { my $i = $_;
            !grep { ($_->{userId} // '') eq 'new' }
                  $all->messages($i, 'presence-update') } 0 .. 49;
}), 'and are told who comes');

# what they ask for

my $ws = ($all->clients())[1];

$ws->send_json({ type => 'subscribe', channel => 'd', id => 's' });
ok($all->run_until(sub { grep { ($_->{id} // '') eq 's' }
                              $all->messages(1) }), 'one subscribes');
publish($b, { type => 'f', n => 'd1' });
ok($all->run_until(sub { grep { $_->{n} eq 'd1' } $all->messages(1, 'f') }),
   'and gets that too');

$ws->send_json({ type => 'resume', since => $last[0], id => 'r' });
ok($all->run_until(sub { $all->messages(1, 'resumed') == 2 }),
   'it resumes by such an id');
is(($all->messages(1, 'resumed'))[-1]{recovered}, JSON::PP::true,
   'and is recovered');

my $hold = ws_connect($b, "/?user=hold&hold=1&since=$early");
$hold->command({ type => 'resume', since => $since, id => 'h',
                 subscriptions => [ { channel => 'c' },
                                    { channel => 'd' } ] });
is_deeply([ map { $hold->recv_until($_)->{n} } qw/ e e f / ],
          [ qw/ b1 b2 d1 / ],
          'one that holds says how far it is, and what it wants');

# Redis is back, and the server with what only it had

$redis->start();
ok(hub_is('connected', 15, $b), 'Redis is back');

event($b, 'b3');
ok($all->wait_each(3, 'e'), 'nothing stops');
like(($all->messages(1, 'e'))[-1]{eventId}, qr/^\d+-\d+\Q$id\E$/,
     'and the ids still say what they have had');

$a->run();
ok(hub_is('connected', 15, $a, $b), 'the other server is back');

event($a, 'end');
ok($all->run_until(sub { ($all->messages(49, 'e'))[-1]{n} eq 'end'
                         && seen()->{end} == 50 }), 'with its events');
is_deeply(seen(), { b1 => 50, b2 => 50, b3 => 50, end => 50,
                    a2 => 5, a3 => 5 },
          'nobody got one twice, and who missed one got it');

event($b, 'plain');
ok($all->run_until(sub { (seen()->{plain} // 0) == 50 }), 'all go on');
is(scalar(grep { ($all->messages($_, 'e'))[-1]{eventId} !~ /^\d+-\d+$/ }
               0 .. 49), 0, 'with ids of the hub');
is_deeply([ map { $hold->recv_until('e')->{n} } 1 .. 3 ],
          [ qw/ b3 end plain / ], 'as does the one that held');


sub event {
    my ($at, @n) = @_;
    return (publish($at, [ map { { type => 'e', n => $_ } } @n ]))[0];
}


# How many clients got an event, by its n; twice for one is one too many.
sub seen {
    my %seen;

    for my $i (0 .. 49) {
        $seen{$_->{n}}++ for $all->messages($i, 'e');
    }

    return \%seen;
}


# How many events are on the disk of the first server.
sub kept {
    my ($file) = grep { !/\.new$/ } glob $a->testdir() . '/state/outbox.*';
    return 0 if !defined $file || !open my $f, '<', $file;

    local $/;
    return scalar(() = <$f> =~ /"type":"e"/g);
}


# Everything of a server is killed.
sub crash {
    my ($s) = @_;
    my $master = $s->read_file('nginx.pid');

    kill 'KILL', -$s->{master};
    wait_gone([ $master + 0 ]);
    unlink $s->testdir() . '/nginx.pid';
}
