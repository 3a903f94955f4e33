#!/usr/bin/perl

# Clients that come back after the server was stopped and started again, or
# replaced by a new binary: they get what they missed, or are told why not.

use warnings;
use strict;

use File::Copy qw/ copy /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(30);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon on;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    4m;
        history events=100 size=256k;
        state   %%TESTDIR%%/state snapshot=1h;
        drain   200ms;
        channel c { default on; }
        event   e { channel c; redact secret; redact pay unless_role=boss; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_identity user=$arg_user role=$arg_role;

        location /        { conductor h; }
        location /publish { conductor_publish h; conductor_auth off; }
    }
}

EOF_CONF

my $state = $t->testdir() . '/state';
my $n = 0;

$t->run();

###############################################################################

# a client misses two events, a restart, and two more

my $zero = connected($t, user => "ann")->recv_until('welcome')->{lastEventId};
my @id = events($t, 3);

$t->stop();
$t->run();

is(replayed($t, $id[0]), '2 3 | recovered 2',
    'events from before come after it');
is(replayed($t, $zero), '1 2 3 | recovered 3',
    'also from the position before the first');
is(replayed($t, $id[2]), '| recovered 0', 'from the last one there is nothing');

push @id, events($t, 2);

is(replayed($t, $id[0]), '2 3 4 5 | recovered 4',
    'those of both lives come in one order');
is(replayed($t, $id[3]), '5 | recovered 1', 'and from the new ones on');
is((ids($t, $id[0]))[-1], $id[4], 'with the ids that they have');

my ($ann) = grep { ($_->{n} // 0) == 2 } missed($t, $id[0]);
my ($boss) = grep { ($_->{n} // 0) == 2 } missed($t, $id[0], 'boss');

ok(!exists $ann->{secret} && !exists $boss->{secret},
    'what is redacted from everyone is not there');
ok(!exists $ann->{pay} && $boss->{pay} == 2,
    'what is redacted for a role is, for that role');

for my $signal (qw/ TERM QUIT /) {
    kill $signal, master($t);
    wait_gone([ master($t) ], 15);
    $t->stop();
    $t->run();
}

is(replayed($t, $id[0]), '2 3 4 5 | recovered 4',
    'over two more restarts as well');

###############################################################################

# what was accepted behind the last snapshot is lost, and that is said

$t->stop();
copy("$state/events", $t->testdir() . '/old');
$t->run();

my @lost = events($t, 3);

$t->stop();
copy($t->testdir() . '/old', "$state/events");
$t->run();

is(replayed($t, $lost[0]), '| upgrade', 'a position that was lost is told of');
is(replayed($t, $id[4]), '| gap 0',
    'and with the last that was kept that others are missing');

my $start = connected($t, user => 'ann')->recv_until('welcome')->{lastEventId};
is(replayed($t, $start), '| recovered 0',
    'but not to those who came after that');
is((missed($t, $id[4]))[-1]{lastEventId}, $start,
    'and whoever was told so is where those are');

push @id, events($t, 1);

is(replayed($t, $lost[2]), '| upgrade', 'also when there are later events');
is(replayed($t, $id[1], 1), '3 4 5 | gap 3 9',
    'which come after those kept, and after that some are missing');
is(replayed($t, $start), '9 | recovered 1', 'but not between those');
is(replayed($t, '1-1'), '| unknown', 'no position of ours is not known');

$t->stop();
$t->run();

is(replayed($t, $lost[1]), '| upgrade', 'that is known over a restart, too');
is(replayed($t, $id[3], 1), '5 | gap 1 9', 'where something is missing as well');
is(replayed($t, $start), '9 | recovered 1', 'and where nothing is');

###############################################################################

# a clock that went back: the last life began in what is now the future

my ($ms) = $id[5] =~ /^(\d+)/;
my ($newest) = events($t, 1);
my ($now) = $newest =~ /^(\d+)/;

ok($now > $ms, 'every life has a time of its own, above those before');

unlink "$state/events";
$t->stop();
unlink "$state/events";
$t->run();

is(replayed($t, $newest), '| upgrade', 'without its events, those are lost');
is(replayed($t, $id[5]), '| expired', 'and earlier ones are no longer there');

my ($later) = (events($t, 1))[0] =~ /^(\d+)/;

ok($later > $now, 'and new positions are above them');

###############################################################################

# a new binary

$t->stop();
$t->run();
@id = events($t, 2);
$t->stop();

my $before = inode();
$t->run();
ok(wait_for(sub { inode() != $before }), 'a snapshot is made after the start');

my $old = master($t);
my @more = events($t, 1);

kill 'USR2', $old;
ok(wait_for(sub { (master($t) // $old) != $old && -s pid_file($t, '.oldbin')
        && worker_pids($t) == workers() }, 15), 'a new binary starts');

kill 'QUIT', $old;
ok(wait_gone([ $old ], 15), 'and the old one goes');

is(replayed($t, $id[0]), '13 | gap 1', 'events that were kept are there');
is(replayed($t, $more[0]), '| upgrade', 'later ones are told of');

push @id, events($t, 1);
$t->stop();
$t->run();

is(replayed($t, $id[0], 1), '13 | gap 1 15',
    'it is the new one whose events are kept');

$t->stop();

###############################################################################

sub pid_file { return $_[0]->testdir() . '/nginx.pid' . ($_[1] // '') }


# Another one with every snapshot.
sub inode { return (stat "$state/events")[1] // 0 }


sub master {
    my ($t) = @_;
    return ((eval { $t->read_file('nginx.pid') } // '') =~ /(\d+)/)[0];
}


sub connected {
    my ($t, %args) = @_;
    return ws_connect($t, '/?' . join '&', map { "$_=$args{$_}" } keys %args);
}


# Publishes so many events, each with the next number; their ids.
sub events {
    my ($t, $count) = @_;

    my ($status, $body) = publish($t, [ map {
        { type => 'e', n => ++$n, secret => $n, pay => $n } } 1 .. $count ]);

    die "status $status\n" if $status != 200;
    return @{$body->{eventIds}};
}


# All that comes up to "resumed", with that, and so many events more.
sub missed {
    my ($t, $since, $role, $more) = @_;
    my $ws = connected($t, user => 'ann', role => $role // 'none',
                       since => $since);
    my @got;

    $ws->recv_until('welcome');

    while (my $m = $ws->recv_json()) {
        push @got, $m;
        last if $m->{type} eq 'resumed';
    }

    push @got, $ws->recv_until('e') for 1 .. $more // 0;

    return @got;
}


# The numbers of the events, how it ended, and the numbers of some that follow.
sub replayed {
    my ($t, $since, $more) = @_;

    return join ' ', map { $_->{n} // ('|', $_->{recovered}
            ? "recovered $_->{count}" : $_->{reason} ne 'gap'
            ? $_->{reason} : "gap $_->{count}") }
        missed($t, $since, undef, $more);
}


sub ids { return map { $_->{eventId} // () } missed(@_) }
