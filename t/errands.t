#!/usr/bin/perl

# What back ends are told at least once: that a client has gone, and what it
# said of itself; whether they answer or not, and whoever dies meanwhile.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Told;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /))->plan(26);

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
        zone 16m;
        name node-1;
        state %%TESTDIR%%/state;
        presence %%TESTDIR%%/tasks.db;
        drain 200ms;
        channel presence:updates { default on; }
    }

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor h;
            conductor_identity user=$arg_user role=reviewer;
            conductor_backend /backend disconnect presence;
        }

        location /silent {
            conductor h;
            conductor_identity user=$arg_user role=reviewer;
        }

        location = /metrics {
            conductor_metrics h format=prometheus;
        }

        location = /backend {
            internal;
            proxy_pass http://127.0.0.1:8081;
            proxy_read_timeout 2s;
        }
    }
}

EOF_CONF

told($t, 8081);
$t->run();

our $ws;
my ($id, $call);

###############################################################################

$id = come($t, 'ann', '/');
$ws->close();

($call) = wait_told($t, 1, $id);

is($call->{kind}, 'disconnect', 'a back end is told that a client has gone');
is(ref $call eq 'HASH' && join(' ', @$call{qw/ hub server userId role /}),
    'h node-1 ann reviewer', 'of which hub, server, user and role');
is($call->{address}, '127.0.0.1', 'and address it was');
is("$call->{reason} $call->{code}", 'no_status 1005', 'and why it went');
like($call->{durationMs}, qr/^\d+$/, 'after how long');
is($call->{id}, "$id.disconnect", 'by an id of its own');

come($t, 'bob', '/silent');
$ws->close();

$id = come($t, 'ann', '/');
$ws->send_json({ type => 'presence-update', status => $_, id => $_,
                 currentFeature => "f-$_" }) for qw/ away busy online /;
$ws->recv_until('ack') for 1 .. 3;
$ws->reset();

my @calls = wait_told($t, 4, $id);

is_deeply([ map { $_->{kind} } @calls ],
    [ qw/ presence presence presence disconnect / ],
    'what a client says of itself comes before its end');
is_deeply($calls[1]{presence},
    { userId => 'ann', role => 'reviewer', status => 'busy',
      currentFeature => 'f-busy' }, 'with what it said');
is(scalar(uniq(map { $_->{id} } @calls)), 4, 'each by an id of its own');
is(scalar(grep { ($_->{userId} // '') eq 'bob' } told($t, 8081)), 0,
    'and nothing of a location without a back end');

###############################################################################

# the back end fails, or does not answer

tell_back($t, 8081, 503);

my @ids = map { my $id = come($t, "u$_", '/'); $ws->close(); $id } 1 .. 20;

ok(wait_for(sub { $t->find_in_file('error.log',
    qr!\[error\].*back end "/backend" of hub "h" does not take!) }),
    'a back end that fails is logged');
ok(wait_for(sub { kept($t, @ids) == 20 }), 'and what it was not told is on disk');

tell_back($t, 8081, 200);

is(scalar(uniq(map { $_->{connectionId} } wait_told($t, 20, @ids))), 20,
    'it is told when it works again');
ok(wait_for(sub { !files($t) }), 'and then nothing is on disk');

my %figure = (api($t, 'GET', '/metrics'))[1]
    =~ /^conductor_backend_(\w+)\{hub="h"\} (\d+)/mg;

is("$figure{delivered_total} $figure{outbox_records} $figure{dropped_total}",
    '25 0 0', 'as many as were told are counted');
cmp_ok($figure{retries_total}, '>', 0, 'and those that failed');

###############################################################################

# processes die

tell_back($t, 8081, 503);
@ids = map { my $id = come($t, "v$_", '/'); $ws->close(); $id } 1 .. 20;
wait_for(sub { kept($t, @ids) == 20 });

my $keeper = keeper_pid($t);
kill 'KILL', $keeper;
ok(wait_for(sub { (keeper_pid($t) // $keeper) != $keeper }),
    'the keeper is killed, and started again');
tell_back($t, 8081, 200);

is(scalar(uniq(map { $_->{connectionId} } wait_told($t, 20, @ids))), 20,
    'it tells what the one before it could not');

$id = come($t, 'wim', '/');
kill 'KILL', worker_pids($t);

($call) = wait_told($t, 1, $id);
is("$call->{reason} $call->{userId}", 'lost wim',
    'that a client went with its worker is told');

tell_back($t, 8081, 0);
$id = come($t, 'lea', '/');
$ws->close();
wait_for(sub { kept($t, $id) == 1 });
kill 'KILL', worker_pids($t);
tell_back($t, 8081, 200);

is(scalar(wait_told($t, 1, $id)), 1, 'and what a worker died of telling');

###############################################################################

# the server ends, in three ways

tell_back($t, 8081, 503);
@ids = map { my $id = come($t, "x$_", '/'); $ws->close(); $id } 1 .. 5;
my $still = ws_connect($t, '/?user=y');
push @ids, $still->recv_until('welcome')->{connectionId};
$t->stop();
is(kept($t, @ids), 6, 'what is left at the end is on disk, with who was there');

$t->run();
tell_back($t, 8081, 200);
is(scalar(uniq(map { $_->{connectionId} } wait_told($t, 6, @ids))), 6,
    'and is told after the next start');

tell_back($t, 8081, 503);
@ids = map { my $id = come($t, "z$_", '/'); $ws->close(); $id } 1 .. 5;
wait_for(sub { kept($t, @ids) == 5 });
crash($t);
is(kept($t, @ids), 5, 'what is not told outlives a crash of everything');

$t->run();
tell_back($t, 8081, 200);
is(scalar(uniq(map { $_->{connectionId} } wait_told($t, 5, @ids))), 5,
    'and is told after that');

@ids = map { come($t, "r$_", '/') } 1 .. 3;
reload_workers($t);
is(scalar(wait_told($t, 1, $ids[2])), 1, 'it is told of who went by a reload');
is(scalar(grep { $_->{kind} eq 'disconnect' } map { wait_told($t, 1, $_) } @ids),
    3, 'of everybody');

###############################################################################


# A client comes; its id.
sub come {
    my ($t, $user, $path) = @_;

    $ws = ws_connect($t, "$path?user=$user");
    return $ws->recv_until('welcome')->{connectionId};
}


# What the back end was told of these connections, when it is so much.
sub wait_told {
    my ($t, $n, @ids) = @_;
    my %wanted = map { $_ => 1 } @ids;
    my @calls;

    wait_for(sub {
        @calls = grep { $wanted{$_->{connectionId}} } told($t, 8081);
        return @calls >= $n;
    }, 20);

    return @calls;
}


# How many of these connections are on disk, as a back end is to be told.
sub kept {
    my ($t, @ids) = @_;
    my $all = join '', map { eval { $t->read_file("state/$_") } // '' }
                       files($t);

    return scalar grep { $all =~ /"connectionId":"\Q$_\E"/ } @ids;
}


# The files where that is.
sub files {
    my ($t) = @_;

    opendir my $d, $t->testdir() . '/state' or return;
    return grep { /^errands\.\w+$/ } readdir $d;
}


sub uniq {
    my %seen;
    return grep { !$seen{$_}++ } @_;
}


# Kills all processes, and waits until they are gone.
sub crash {
    my ($t) = @_;
    my $master = ($t->read_file('nginx.pid') =~ /(\d+)/)[0];
    my @pids = ($master, worker_pids($t, all => 1), keeper_pid($t));

    kill 'KILL', @pids;
    waitpid $master, 0;
    wait_for(sub { !grep { kill 0, $_ } @pids });

    unlink $t->testdir() . '/nginx.pid';
}
