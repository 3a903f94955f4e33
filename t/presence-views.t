#!/usr/bin/perl

# The table, GET /presence and what a watcher was told are one and the same,
# whatever is killed: they are the connections that exist.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /)
    ->has_daemon('sqlite3'))->plan(18);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      4m;
        history   events=100 size=64k;
        drain     2s;
        presence  tasks.db ttl=1h leave=200ms;
        channel   presence:updates { default on; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor           h;
            conductor_identity  user=$arg_user;
        }

        location /presence { conductor_presence h; }
        location /health   { conductor_health h; }
    }
}

EOF_CONF

$t->todo_alerts(qr/signal 9|was locked by|master process \d+ is gone/);
$t->run();

my @users = map { "user$_" } 1 .. 12;
my %ws = map { $_ => client($t, $_) } @users;
my %views;
my $count = 0;

# as it is, and as it becomes

watch($t);
say_all();
ok(wait_for(sub { same($t) }, 5), 'who is there is in all views')
    or show($t);

delete($ws{user1})->close(1000);
delete($ws{user2})->vanish();
ok(wait_for(sub { same($t) }, 5), 'and who goes is in none') or show($t);

# a worker: the one that has most of them

my ($worker) = sort { fd_count($b) <=> fd_count($a) } worker_pids($t);
$count = keys %ws;

kill 'KILL', $worker;
wait_gone([ $worker ]);
ok(wait_for(sub { left() }), 'a worker is killed, with some of them');
ok(wait_for(sub { same($t) }, 5), 'who was lost is in no view') or show($t);

again($t);
say_all();
is(keys %ws, $count, 'they come back');
ok(wait_for(sub { same($t) }, 5), 'and are in all views') or show($t);

# a worker that drains

my @old = reload_workers($t);

$ws{late} = client($t, 'late');
say_all();
kill 'KILL', @old;
ok(wait_gone(\@old), 'workers are killed that drain');
ok(wait_for(sub { left() && same($t) }, 5), 'who was theirs is in no view')
    or show($t);
again($t);

# the keeper, while they change

my $keeper = wait_for(sub { keeper_pid($t) });

kill 'KILL', $keeper;
say_all();
delete($ws{user3})->close(1000);
$ws{user4} = client($t, 'user4');
ok(wait_gone([ $keeper ]), 'the keeper is killed');
ok(wait_for(sub { same($t) }, 5), 'which no view shows') or show($t);

# the master

my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
my @all = (keeper_pid($t), worker_pids($t, all => 1));

kill 'KILL', $master;
ok(wait_gone(\@all, 20), 'the master is killed, and all end');
start($t, qw/ user5 user12 new /);
ok(wait_for(sub { same($t) }, 5), 'those who are back are in all views')
    or show($t);

# all at once, as when the power fails

($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
@all = ($master, wait_for(sub { keeper_pid($t) }),
        worker_pids($t, all => 1));

kill 'KILL', @all;
ok(wait_gone(\@all), 'all are killed');
like(table($t), qr/user12=(online|away|busy)/, 'the table has those of then');
start($t, qw/ user5 user6 other /);
ok(wait_for(sub { same($t) }, 5), 'and then those of now') or show($t);
unlike(table($t), qr/user12=/, 'who are not those of then');
is((grep { $_->faults() } values %ws), 0, 'without a fault');
is((health($t))[1]{database}, 'ok', 'and the database is good');


sub client {
    my ($t, $user) = @_;

    my $ws = ws_connect($t, "/?user=$user");
    $ws->recv_until('welcome');
    return $ws;
}


# A watcher is one of them; its view begins with a list.
sub watch {
    my ($t) = @_;

    $ws{watcher} = client($t, 'watcher');
    my $list = $ws{watcher}->recv_until('presence-list');
    %views = map { $_->{reviewerId} => state($_) } @{$list->{reviewers}};
}


sub state { $_[0]{status} . '/' . ($_[0]{currentFeature} // '') }


sub say_all {
    for my $user (grep { !/watcher/ } keys %ws) {
        $ws{$user}->send_json({ type => 'presence-update',
            status => (qw/ online away busy /)[rand 3],
            currentFeature => "f" . int rand 100 });
    }
}


# Takes what has come; forgets those whose connections have ended, and says
# whether there were any since all were there.
sub left {
    for my $user (keys %ws) {
        while (defined(my $m = $ws{$user}->recv_json(0.001))) {
            told($m) if $user eq 'watcher';
        }

        delete $ws{$user} if $ws{$user}->eof(0.001);
    }

    return keys %ws < $count;
}


sub told {
    my ($m) = @_;

    return unless $m->{type} eq 'presence-update';

    if ($m->{status} eq 'offline') {
        delete $views{$m->{reviewerId}};

    } else {
        $views{$m->{reviewerId}} = state($m);
    }
}


# Those who were lost come back, the watcher as well.
sub again {
    my ($t) = @_;

    $ws{$_} //= client($t, $_) for @users[2 .. $#users];
    watch($t) unless $ws{watcher};
}


# Another life, with few of those who were there, and a new one.
sub start {
    my ($t, @back) = @_;

    unlink $t->testdir() . '/nginx.pid';
    $t->run();
    %ws = map { $_ => client($t, $_) } @back;
    watch($t);
    say_all();
}


# Whether all views are of the connections that there are, and agree.
sub same {
    my ($t) = @_;

    left();
    watch($t) unless $ws{watcher};

    my $told = text(%views);

    return join(' ', sort keys %ws) eq join(' ', sort keys %views)
        && $told eq table($t) && $told eq asked($t);
}


sub text {
    my (%of) = @_;
    return join ' ', map { "$_=$of{$_}" } sort keys %of;
}


sub table {
    my ($t) = @_;

    return text(map { split /\|/ } @{sql($t, 'tasks.db', 'SELECT reviewer_id,'
        . " status || '/' || coalesce(current_feature, '')"
        . " FROM reviewer_presence WHERE status <> 'offline'") || []});
}


sub asked {
    my ($t) = @_;
    my (undef, $body) = api($t, 'GET', '/presence');

    return text(map { $_->{reviewerId} => state($_) } @{$body->{reviewers}});
}


sub show {
    my ($t) = @_;

    diag('connected: ' . join ' ', sort keys %ws);
    diag('told: ' . text(%views));
    diag('table: ' . table($t));
    diag('http: ' . asked($t));
}
