#!/usr/bin/perl

# The keeper: one process that writes who is there, whatever happens to it.

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
    ->has_daemon('sqlite3'))->plan(24);

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
        history  events=100 size=64k;
        drain    1s;
        presence tasks.db ttl=1h leave=200ms;
        channel  c { default on; }
        event    e { channel c; }
    }

    conductor_hub memory {
        zone     4m;
        history  events=100 size=64k;
        presence memory;
        channel  c { default on; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor          h;
            conductor_identity user=$arg_user role=$arg_role;
        }

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
        location /memory  { conductor_health memory; }
    }
}

EOF_CONF

$t->run();
$t->todo_alerts(killed());

# one process

my $keeper = wait_for(sub { keeper_pid($t) });

ok($keeper, 'there is a process that calls itself a keeper');
ok(wait_for(sub { worker_pids($t) == workers() }), 'beside the workers');

is(wait_for(sub { (health($t))[1]{database} eq 'ok' }), 1,
   'the database is open');

my ($status, $health) = health($t);
is($health->{status}, 'ok', 'the health is good');
is($health->{keeper}, 'ok', 'it knows of the keeper');
is($health->{workers}, workers(), 'who is no worker');
is((health($t, probe => 'ready'))[0], 200, 'the server is ready');
is((health($t, path => '/memory'))[1]{database}, 'disabled',
   'a hub without a file has no database');
is((health($t, path => '/memory'))[1]{keeper}, undef, 'and no keeper');

# what it writes

my %client = map { $_ => client($t, "/?user=$_") } qw/ ann bob /;

ok(wait_for(sub { rows($t) eq 'ann|online| bob|online|' }),
   'who is there is in the table');

$client{ann}->send_text('{"type":"presence-update","status":"busy",'
                        . '"currentFeature":"search"}');
ok(wait_for(sub { rows($t) eq 'ann|busy|search bob|online|' }),
   'what they say, too');

$client{bob}->close();
ok(wait_for(sub { rows($t) eq 'ann|busy|search bob|offline|' }),
   'and who has gone');

is(sql($t, 'tasks.db', 'PRAGMA journal_mode')->[0], 'wal',
   'it can be read while it is written');

# killed

my $version = (sql($t, 'tasks.db', 'SELECT count(*) FROM presence_history'
                                   . " WHERE reviewer_id = 'ann'"))->[0];
is($version, 2, 'there is a history');

kill 'KILL', $keeper;

my $next = wait_for(sub {
    my $pid = keeper_pid($t);
    return $pid && $pid != $keeper && $pid;
});
ok($next, 'one that is killed is started again');

$client{ann}->send_text('{"type":"presence-update","status":"away"}');
ok(wait_for(sub { rows($t) eq 'ann|away|search bob|offline|' }),
   'and goes on');

# reload

my $ann = client($t, '/?user=ann');
my $eve = client($t, '/?user=eve');
$t->reload();

ok(wait_for(sub { my $pid = keeper_pid($t); $pid && $pid != $next }),
   'a reload has a keeper of its own');
ok(wait_gone([ $next ]), 'the old one is gone soon');

$client{cid} = client($t, '/?user=cid');
ok(wait_for(sub { rows($t) =~ /cid\|online/ }), 'the new one writes');

$client{ann} = client($t, '/?user=ann');
$eve->expect_close();
ok(wait_for(sub { rows($t) =~ /^ann\|online\|.*bob\|offline.*eve\|offline/ }),
   'who does not come back is offline');

is(scalar(grep { /ann/ } @{sql($t, 'tasks.db',
    "SELECT * FROM presence_history WHERE status = 'offline'")}), 0,
   'nobody who came back was offline');

is((health($t))[1]{database}, 'ok', 'the database was never lost');

# stop

$t->stop();

is(rows($t), 'ann|offline| bob|offline| cid|offline| eve|offline|',
   'a stop leaves nobody online');
is_deeply(sql($t, 'tasks.db', 'SELECT count(*) FROM presence_history'
                              . ' WHERE ended_at IS NULL'), [ 0 ],
          'and no visit open');


sub client {
    my ($t, $uri) = @_;

    my $ws = ws_connect($t, $uri);
    $ws->recv_until('welcome');
    return $ws;
}


# Who is in the table: the reviewer, its status and its feature.
sub rows {
    my ($t) = @_;

    return join ' ', @{sql($t, 'tasks.db',
        'SELECT reviewer_id, status, current_feature FROM reviewer_presence'
        . ' ORDER BY reviewer_id') || []};
}
