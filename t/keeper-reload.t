#!/usr/bin/perl

# A reload that says something else of presence: it holds from then on.

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
    ->has_daemon('sqlite3'))->plan(17);

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
        drain    0;
        presence a.db leave=5s ttl=1h;
        channel  c { default on; }
    }

    conductor_hub later {
        zone     4m;
        history  events=100 size=64k;
        # presence
        channel  c { default on; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor          h;
            conductor_identity user=$arg_user role=$arg_role;
        }

        location /health { conductor_health h; }
        location /later  { conductor_health later; }
    }
}

EOF_CONF

my $conf = $t->read_file('nginx.conf');

$t->run();
wait_for(sub { worker_pids($t) == workers() });

my $ann = client($t, 'ann');
ok(wait_for(sub { rows($t, 'a.db') eq 'ann|online' }), 'one file');
my $expires = expires($t, 'a.db');

# the same file

change($t, $conf =~ s/ttl=1h/ttl=2h/r);
$ann = client($t, 'ann');
ok(wait_for(sub { expires($t, 'a.db') > $expires + 3000 }),
   'another time is taken over');
is(rows($t, 'a.db'), 'ann|online', 'nobody was away');

# another file

change($t, $conf =~ s/a\.db/b.db/r);
$ann = client($t, 'ann');
ok(wait_for(sub { -s $t->testdir() . '/b.db'
                  && rows($t, 'b.db') eq 'ann|online' }), 'another file');
is((health($t))[1]{database}, 'ok', 'is written');

# none

my $keeper = keeper_pid($t);
change($t, $conf =~ s/a\.db/memory/r);
ok(wait_gone([ $keeper ]), 'no keeper without a file');
is(keeper_pid($t), undef, 'and none after it');
is((health($t))[1]{database}, 'disabled', 'the database is disabled');
is((health($t))[1]{status}, 'ok', 'which is no fault');
is((health($t, probe => 'ready'))[0], 200, 'nor is it one of the server');

# and one again

change($t, $conf);
ok(wait_for(sub { (health($t))[1]{database} eq 'ok' }), 'a keeper again');
is((health($t))[1]{keeper}, 'ok', 'it is there');
$ann = client($t, 'ann');
ok(wait_for(sub { rows($t, 'a.db') eq 'ann|online' }), 'and writes');

# a hub whose zone has no room for it

change($t, $conf =~ s/# presence/presence c.db;/r);
is((health($t, path => '/later'))[1]{database}, 'disabled',
   'a zone that was made without presence has none');
like($t->read_file('error.log'),
     qr/\[warn\].*zone of hub "later" was made without presence/,
     'of which nginx warns');
unlike($t->read_file('error.log'), qr/"later" keeps the history/,
     'and not of a history that is the same');
is((health($t))[1]{keeper}, 'ok', 'the other hub has its keeper');


# Another configuration, and new workers only.
sub change {
    my ($t, $conf) = @_;

    $t->write_file('nginx.conf', $conf);
    wait_gone([ reload_workers($t) ]);
}


sub client {
    my ($t, $user) = @_;

    my $ws = ws_connect($t, "/?user=$user");
    $ws->recv_until('welcome');
    return $ws;
}


sub rows {
    my ($t, $file) = @_;
    return join ' ', @{sql($t, $file, 'SELECT reviewer_id, status FROM'
        . ' reviewer_presence ORDER BY reviewer_id') || []};
}


sub expires {
    my ($t, $file) = @_;
    return (sql($t, $file, 'SELECT expires_at FROM reviewer_presence')
            || [ 0 ])->[0];
}
