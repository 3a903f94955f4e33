#!/usr/bin/perl

# The keeper is killed, and the master, and all at once: the table is true
# again within five seconds.

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
    ->has_daemon('sqlite3'))->plan(19);

my $conf = conductor_conf(<<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        history  events=100 size=64k;
        drain    100ms;
        state    state;
        presence tasks.db leave=100ms ttl=2m;
        channel  c { default on; }
        event    e { channel c; }
    }

    conductor_limit_conn off;
    conductor_limit_messages off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor          h;
            conductor_identity user=$arg_user role=$arg_role;
        }

        location /health { conductor_health h; }
    }
}

EOF_CONF

$t->write_file_expand('nginx.conf', $conf);
$t->todo_alerts(qr/signal 9|was locked by|master process \d+ is gone/);
$t->run();

# the keeper, in the middle of changes

my @users = map { "user$_" } 1 .. 8;
my %client = map { $_ => client($t, $_) } @users;
my %is;
my $killed = 0;

# who leaves before a keeper has told of it was never there

wait_for(sub { 8 == split / /, rows($t) });

for my $round (1 .. 12) {
    for my $user (@users) {
        $is{$user} = (qw/ online away busy /)[rand 3];
        $client{$user}->send_text(qq({"type":"presence-update","status":)
                                  . qq("$is{$user}","currentFeature":"$round"}));
    }

    if ($round % 4 == 0) {
        my $gone = shift @users;
        delete($client{$gone})->vanish();
        $is{$gone} = 'offline';
    }

    my $pid = wait_for(sub { keeper_pid($t) });
    $killed += kill 'KILL', $pid;
    wait_gone([ $pid ]);
}

is($killed, 12, 'the keeper was killed a dozen times');
my $true = join ' ', map { "$_|$is{$_}" } sort keys %is;
wait_for(sub { rows($t) eq $true }, 5);
is(rows($t), $true, 'and the table is true');
is((sql($t, 'tasks.db', 'SELECT count(*) FROM presence_history'
        . ' WHERE ended_at IS NULL'))->[0], 5, 'nobody has two open visits');
is((health($t))[1]{status}, 'ok', 'the health is good');

# one that hangs

my $keeper = wait_for(sub { keeper_pid($t) });

kill 'STOP', $keeper;

is((health($t, probe => 'ready'))[0], 200, 'a keeper that hangs is not missed at once');
ok(wait_for(sub { (health($t, probe => 'ready'))[0] == 503 }, 15),
   'but after ten seconds');
is((health($t, probe => 'ready'))[1]{reason}, 'no keeper', 'with a reason');
is((health($t))[1]{keeper}, 'missing', 'the health says it, too');

kill 'CONT', $keeper;

ok(wait_for(sub { (health($t, probe => 'ready'))[0] == 200 }),
   'and the server is ready when it goes on');

# another server with the same database

my $dir = $t->testdir();

my $other = $t->read_file('nginx.conf');
my ($port, $port2) = map { port($_) } 8080, 8081;

$other =~ s/$port/$port2/;
$other =~ s/state;/state2;/;
$other =~ s/nginx\.pid/other.pid/;
$other =~ s/error\.log/other.log/;
$other =~ s/daemon off/daemon on/;

$t->write_file('other.conf', $other);
{
    delete local $ENV{NGINX};
    system("$Test::Nginx::NGINX -p $dir/ -c other.conf -e other.log") == 0
        or die "the other nginx does not start\n";
}

my $health = wait_for(sub {
    my $h = (health($t, port => 8081))[1];
    return $h && ($h->{databaseError} // '') =~ /used by/ && $h;
});

is($health->{databaseError}, "it is used by process $keeper, the keeper of"
   . ' another nginx', 'another server is refused the database');
is((health($t))[1]{database}, 'ok', 'which does not concern the first');

# the first one loses its master

my ($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
my @all = ($keeper, worker_pids($t, all => 1));

kill 'KILL', $master;
ok(wait_gone(\@all), 'all end without their master');

ok(wait_for(sub { (health($t, port => 8081))[1]{database} eq 'ok' }),
   'the other one takes over');
ok(wait_for(sub { rows($t) !~ /online|away|busy/ }, 5),
   'and those of the first are offline');

my $dan = client($t, 'dan', 8081);
ok(wait_for(sub { rows($t) =~ /dan\|online/ }), 'its own are online');

kill 'QUIT', $t->read_file('other.pid') =~ /(\d+)/;
ok(wait_for(sub { !-e "$dir/other.pid" }), 'it ends');

# all at once, as if the power had failed

unlink "$dir/nginx.pid";
$t->run();

%client = map { $_ => client($t, $_) } qw/ eve fay /;
ok(wait_for(sub { rows($t) =~ /eve\|online fay\|online/ }), 'the first again');

($master) = $t->read_file('nginx.pid') =~ /(\d+)/;
@all = ($master, keeper_pid($t), worker_pids($t));
kill 'KILL', @all;
wait_gone(\@all);

like(rows($t), qr/eve\|online fay\|online/, 'the power fails');

unlink "$dir/nginx.pid";
$t->run();

my $fay = client($t, 'fay');
ok(wait_for(sub { rows($t) =~ /eve\|offline fay\|online/ }, 5),
   'who came back is online, and nobody else');


sub client {
    my ($t, $user, $port) = @_;

    my $ws = ws_connect($port ? port($port) : $t, "/?user=$user");
    $ws->recv_until('welcome');
    return $ws;
}


sub rows {
    my ($t) = @_;
    return join ' ', @{sql($t, 'tasks.db',
        'SELECT reviewer_id, status FROM reviewer_presence'
        . ' ORDER BY reviewer_id') || []};
}
