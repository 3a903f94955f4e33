#!/usr/bin/perl

# A database that comes and goes with the configuration, while nginx runs.

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
    ->has_daemon('sqlite3'))->plan(14);

my $conf = <<'EOF_CONF';

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
        %%PRESENCE%%
        channel  c { default on; }
        event    e { channel c; }
    }

    conductor_limit_conn off;

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

configure($t, '');
$t->run();

my $ann = client($t, 'ann');
ok(!keeper_pid($t), 'without a database there is no keeper');

# a zone that was made without presence

configure($t, 'presence tasks.db ttl=1h leave=100ms;');
reload_workers($t);

my $keeper = wait_for(sub { keeper_pid($t) });
ok($keeper, 'a reload that adds one starts it');

$ann = client($t, 'ann');
ok(wait_for(sub { (health($t))[1]{keeper} eq 'ok' }), 'it is well');
is((health($t))[1]{database}, 'disabled', 'but has no database');

$ann->send_text('{"type":"presence-update","id":1,"status":"busy"}');
is($ann->recv_until('error')->{code}, 'unavailable',
   'for there is no place for presence in the zone');
is(keeper_pid($t), $keeper, 'the keeper lives on');

# restarted, there is

$t->stop();
$t->run();

$ann = client($t, 'ann');
ok(wait_for(sub { rows($t, 'tasks.db') eq 'ann|online' }),
   'after a restart who comes is in the table');

# another file

configure($t, 'presence other.db ttl=1h leave=100ms;');
reload_workers($t);

$ann = client($t, 'ann');
ok(wait_for(sub { rows($t, 'other.db') eq 'ann|online' }),
   'a reload may name another file');

# none, and back

configure($t, 'presence memory;');
reload_workers($t);
ok(wait_for(sub { !keeper_pid($t) }), 'and may do without');

$ann = client($t, 'ann');
my $bob = client($t, 'bob');

configure($t, 'presence other.db ttl=1h leave=100ms;');
reload_workers($t);
$ann->expect_close();
$bob->expect_close();

$bob = client($t, 'bob');
my $cid = client($t, 'cid');
ok(wait_for(sub { rows($t, 'other.db')
                  eq 'ann|offline bob|online cid|online' }),
   'when it is back the table is true again');

# one keeper after the other

for my $i (1 .. 3) {
    reload_workers($t);
    $bob = client($t, 'bob');
    ok(wait_for(sub { rows($t, 'other.db') =~ /bob\|online/ }),
       "reload $i keeps it true");
}

$t->stop();

unlike(rows($t, 'other.db'), qr/online/, 'a stop leaves nobody online');


sub configure {
    my ($t, $presence) = @_;

    (my $text = $conf) =~ s/%%PRESENCE%%/$presence/;
    $t->write_file_expand('nginx.conf', conductor_conf($text));
}


sub client {
    my ($t, $user) = @_;

    my $ws = ws_connect($t, "/?user=$user");
    $ws->recv_until('welcome');
    return $ws;
}


sub rows {
    my ($t, $file) = @_;

    return join ' ', @{sql($t, $file,
        'SELECT reviewer_id, status FROM reviewer_presence'
        . ' ORDER BY reviewer_id') || []};
}
