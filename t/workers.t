#!/usr/bin/perl

# Workers that are killed: who is lost with them, and what is given back.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use JSON::PP;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /))->plan(19);

# the master says so of who was killed while it changed the zone

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
        zone     4m;
        history  events=10000 size=1m;
        drain    1s;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth off;

    server {
        listen 127.0.0.1:8080 reuseport;

        location / {
            conductor h;
            conductor_limit_conn 5;
            add_header X-Worker $pid always;
        }

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

$t->run();
wait_for(sub { worker_pids($t) == workers() });

# one worker dies

my $many = many_clients($t, 40, per_address => 5);
is($many->open_count(), 40, 'forty clients connect, five from an address');
is((ws_connect($t, '/', source => '127.1.0.1'))->status(), 429,
    'which is all that an address may have');

my @worker = map { $_->header('X-Worker') } $many->clients();
my $victim = $worker[0];
my @lost = grep { $worker[$_] == $victim } 0 .. 39;
my @left = grep { $worker[$_] != $victim } 0 .. 39;

kill 'KILL', $victim;

ok($many->run_until(sub { $many->open_count() == @left }),
    'who was on a worker that is killed is lost');

my @statuses = map { (publish($t, { type => 'e', n => $_ }))[0] } 1 .. 20;
is("@statuses", join(' ', (200) x 20), 'publishing goes on');

ok($many->run_until(sub {
    !grep { $many->messages($_, 'e') < 20 } @left }), 'the others get all');
is(scalar(grep { join(' ', map { $_->{n} } $many->messages($_, 'e'))
    eq "@{[ 1 .. 20 ]}" } @left), scalar(@left), 'once, and in order');
is($many->open_count(), scalar(@left), 'and none of them is lost');

ok(wait_for(sub { (health($t))[1]{connections} == @left }),
    'the lost are counted no more');
ok(wait_for(sub { (health($t))[1]{workers} == workers() }),
    'the worker has a successor');

my @again = map { ws_connect($t, '/', source => sprintf '127.1.0.%d',
                             1 + $_ / 5) } @lost;
is(scalar(grep { $_->is_open() } @again), scalar(@lost),
    'their places are given back');
is((ws_connect($t, '/', source => '127.1.0.1'))->status(), 429,
    'and no more than those');
is((health($t))[1]{connections}, 40, 'all are counted again');

my %old = map { $_ => 1 } @worker;
my @new;
my $k = 0;
ok(wait_for(sub {
    push @new, ws_connect($t, '/', source => '127.2.0.' . ++$k);
    return !$old{$new[-1]->header('X-Worker') // $victim};
}), 'the successor takes clients');

publish($t, { type => 'e', n => 'new' });
$_->recv_until('welcome') for @again, @new;
is(scalar(grep { ($_->recv_until('e') || {})->{n} eq 'new' } @again, @new),
    @again + @new, 'who came back gets events');

# killed again and again while events are published, but for one worker

my ($keep) = grep { $_ != $victim } worker_pids($t);
my @kept = workers() > 1 ? grep { $worker[$_] == $keep } @left : ();
my $from = $many->messages($kept[0] // 0);

$t->run_daemon(\&publisher, $t, 300);

for (1 .. 12) {
    my @pids = grep { $_ != $keep } worker_pids($t);
    @pids = worker_pids($t) if workers() == 1;
    my $pid = $pids[rand @pids] or next;
    kill 'KILL', $pid;
    $many->run_until(sub { !grep { $_ == $pid } worker_pids($t) }, 5);
    $many->run_until(sub { worker_pids($t) == workers() }, 5);
}

ok($many->run_until(sub { -e $t->testdir() . '/published' }, 30),
    'a publisher gets to its end over twelve dead workers');

my $result = decode_json($t->read_file('published'));
is_deeply($result->{bad}, [], 'no answer but 200, or none from the dead');

publish($t, { type => 'e', n => 'end' });
$many->run_until(sub { !grep { my @all = $many->messages($_, 'e');
                               $all[-1]{n} ne 'end' } @kept });

my $wrong = 0;

for my $i (@kept) {
    my %seen;
    $seen{$_->{eventId}}++ for $many->messages($i, 'e');
    $wrong += grep { $_ != 1 } values %seen;
    $wrong += grep { !$seen{$_} } @{$result->{ids}};

    my ($last, @n) = (0, grep { /^\d+\z/ && $_ > 1000 } map { $_->{n} }
                                $many->messages($i, 'e'));
    $_ >= $last ? ($last = $_) : $wrong++ for @n;
}

is($wrong, 0, 'who was on a living worker got all that was accepted, once');
ok(wait_for(sub { (health($t))[1]{connections}
                  == grep { !$_->eof(0) } $many->clients(), @again, @new }),
    'the count is true after all');
is_deeply([ map { $many->{clients}[$_]->faults() } @kept ], [],
    'and no frame was torn');


# Publishes N events one by one, each until it is answered; writes down the
# ids of the answers, and every answer that was not 200.
sub publisher {
    my ($nginx, $count) = @_;
    my (@ids, @bad);

    for my $i (1 .. $count) {
        my ($status, $answer);

        until ($status) {
            ($status, $answer) = publish($nginx,
                { type => 'e', n => 1000 + $i });
        }

        push @bad, $status if $status != 200;
        push @ids, $answer->{eventIds}[0] if $status == 200;
    }

    $nginx->write_file('published.tmp',
        encode_json({ ids => \@ids, bad => \@bad }));
    rename $nginx->testdir() . '/published.tmp',
        $nginx->testdir() . '/published';
}
