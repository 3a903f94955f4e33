#!/usr/bin/perl

# A server whose processes are all killed at once begins with its last
# snapshot, and with all revocations.

use warnings;
use strict;

use JSON::PP;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(17);

$t->todo_alerts(qr{signal 9|the master process \d+ is gone});

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    4m;
        state   %%TESTDIR%%/state snapshot=100ms;
        drain   200ms;
        channel c { default on; }
        event   e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_identity user=$arg_user;

        location /        { conductor h; }
        location /publish { conductor_publish h; conductor_auth off; }
        location /admin   { conductor_admin h; conductor_auth off; }
    }
}

EOF_CONF

my $conf = $t->read_file('nginx.conf');
my $state = $t->testdir() . '/state';
my $n = 0;

$t->run();

###############################################################################

my $name = welcome($t)->{server};
my @id = events($t, 3);

ok(wait_for(sub { kept(3) }), 'events are kept on a timer');

events($t, 2);
ok(wait_for(sub { kept(5) }), 'again and again');

kill_all($t);
$t->run();

is(replayed($t, $id[0]), '2 3 4 5 | gap 4',
    'after a crash of everything, a client gets what was kept');
is(welcome($t)->{server}, $name, 'the name of the server is kept');

###############################################################################

# the keeper

my $keeper = wait_for(sub { keeper_pid($t) });
kill 'KILL', $keeper;

ok(wait_for(sub { (keeper_pid($t) // $keeper) != $keeper }),
    'a keeper that is killed is replaced');

events($t, 1);
ok(wait_for(sub { kept(6) }), 'by one that goes on');

reload_workers($t);
events($t, 1);
ok(wait_for(sub { kept(7) }), 'as does the one of a reload');

###############################################################################

# only the master; the next one is started at once

my $master = ($t->read_file('nginx.pid') =~ /(\d+)/)[0];
my @left = (worker_pids($t, all => 1), grep { defined } keeper_pid($t));

kill 'KILL', $master;
ok(wait_gone(\@left, 15), 'without a master, all processes end');

ended($t);
$t->run();

is(replayed($t, $id[0]), '2 3 4 5 6 7 | gap 6',
    'the next one has the events');

events($t, 1);
ok(wait_for(sub { kept(8) }), 'and keeps them');

###############################################################################

# revocations do not wait for the timer

$t->stop();
$t->write_file('nginx.conf', $conf =~ s/=100ms/=1h/r);

my $before = inode('events');
$t->run();

ok(wait_for(sub { inode('events') != $before }),
    'the events are kept soon after the start');

my @lost = events($t, 2);
$before = inode('revocations');

is(revoke($t, 'eve'), 200, 'a user is revoked');
ok(wait_for(sub { inode('revocations') != $before }), 'which is kept soon');

kill_all($t);
$t->run();

is(ws_connect($t, '/?user=eve')->status(), 401, 'and holds after a crash');
is(replayed($t, $lost[0]), '| upgrade',
    'that events were lost behind the snapshot is said');

events($t, 1);
is(replayed($t, $id[0], 1), '2 3 4 5 6 7 8 | gap 7 | 11',
    'as it is to those who had none of them, before what is new');

$t->stop();

is(join(' ', grep { /\.(?:new|bad)$/ } glob("$state/*")), '',
    'nothing is left over');

###############################################################################

# Another one with every replacement.
sub inode { return (stat "$state/$_[0]")[1] // 0 }


# Is this event in the snapshot?
sub kept {
    my ($number) = @_;
    open my $f, '<:raw', "$state/events" or return 0;
    local $/;
    return index(<$f> // '', "number $number.") >= 0;
}


# All processes of nginx at once.
sub kill_all {
    my ($t) = @_;
    my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
    my @all = (worker_pids($t, all => 1), grep { defined } keeper_pid($t));

    kill 'KILL', $master, @all;
    wait_gone(\@all, 15);
    ended($t);
}


# What was killed has left its pid file.
sub ended {
    my ($t) = @_;
    $t->stop();
    unlink $t->testdir() . '/nginx.pid';
}


sub welcome { return ws_connect($_[0], '/?user=ann')->recv_until('welcome') }


sub events {
    my ($t, $count) = @_;

    my ($status, $body) = publish($t, [ map {
        { type => 'e', n => ++$n, text => "number $n." } } 1 .. $count ]);

    die "status $status\n" if $status != 200;
    return @{$body->{eventIds}};
}


sub revoke {
    my ($t, $user) = @_;
    return (api($t, 'POST', '/admin/revocations', body =>
        JSON::PP->new->encode(
            { user => $user, until => (time() + 3600) * 1000 })))[0];
}


# The numbers of the events that come after an id, how it ended, and so many
# numbers more.
sub replayed {
    my ($t, $since, $more) = @_;
    my $ws = ws_connect($t, "/?user=ann&since=$since");
    my @got;

    $ws->recv_until('welcome');

    while (my $m = $ws->recv_json()) {
        push @got, $m->{n} // '|';
        next if $m->{type} ne 'resumed';

        push @got, $m->{recovered} ? "recovered $m->{count}"
            : $m->{reason} ne 'gap' ? $m->{reason} : "gap $m->{count}";
        push @got, '|', map { $ws->recv_until('e')->{n} } 1 .. $more if $more;

        return join ' ', @got;
    }

    return 'no end';
}
