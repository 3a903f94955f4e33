#!/usr/bin/perl

# The disk of a database under a running server: it fills up, becomes
# read-only, loses the file.

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
    ->has_daemon('sqlite3')->has_daemon('mount'));

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
        drain    100ms;
        state    state;
        presence disk/tasks.db leave=100ms ttl=20s;
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

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

my $dir = $t->testdir() . '/disk';

mkdir $dir;
system("mount -t tmpfs -o size=1m,mode=777 none $dir 2>/dev/null") == 0
    or $t->plan(skip_all => 'a file system cannot be mounted here');

my $mounted = $dir;

$t->plan(14);
$t->run();

my $ann = client($t, 'ann');
ok(wait_for(sub { rows($t) eq 'ann|online|' }), 'presence is on that disk');

# full

open my $f, '>', "$dir/rest" or die "rest: $!\n";
1 while syswrite $f, 'x' x 4096;
close $f;

$ann->send_text(qq({"type":"presence-update","currentFeature":"$_"}))
    for map { 'x' x 100 . $_ } 1 .. 100;
my %more = map { $_ => client($t, $_) } 'a' .. 'z';

my $health = wait_for(sub {
    my $h = (health($t))[1];
    return $h->{database} eq 'failed' && $h;
});

like($health->{databaseError}, qr/no space is left/, 'it is full');
is($health->{status}, 'degraded', 'the health tells');
publish($t, { type => 'e', n => 1 });
is($ann->recv_until('e')->{n}, 1, 'events go on');

unlink "$dir/rest";
ok(wait_for(sub { (health($t))[1]{status} eq 'ok' }), 'there is room again');
ok(wait_for(sub {
       (sql($t, 'disk/tasks.db', 'SELECT count(*) FROM reviewer_presence'
            . " WHERE status != 'offline'") || [ 0 ])->[0] == 27
   }), 'and the table is true');

$_->close() for values %more;

# read-only

$t->stop();
system("mount -o remount,ro $dir") == 0 or die "remount failed\n";
$t->run();

$ann = client($t, 'ann');
says($ann, 'away');

$health = wait_for(sub {
    my $h = (health($t))[1];
    return ($h->{databaseError} // '') =~ /read-only/i && $h;
});

is($health->{database}, 'failed', 'it is read-only');
publish($t, { type => 'e', n => 2 });
is($ann->recv_until('e')->{n}, 2, 'events go on');

system("mount -o remount,rw $dir") == 0 or die "remount failed\n";
ok(wait_for(sub { (health($t))[1]{status} eq 'ok' }), 'it is writable again');
ok(wait_for(sub { rows($t) =~ /ann\|away/ && rows($t) !~ /online/ }),
   'and the table is true');

# removed

unlink glob "$dir/*";

ok(wait_for(sub { -s "$dir/tasks.db" && rows($t) =~ /ann\|away/ }),
   'a file that was removed is made again');
says($ann, 'busy');
ok(wait_for(sub { rows($t) =~ /ann\|busy/ }), 'and written');

# replaced by an older one

system('cp', "$dir/tasks.db", "$dir/copy") == 0
    && rename "$dir/copy", "$dir/tasks.db" or die "copy: $!\n";
sql($t, 'disk/tasks.db', "UPDATE reviewer_presence SET status = 'offline'");

ok(wait_for(sub { rows($t) =~ /ann\|busy/ }), 'one that was replaced is true, '
   . 'too');

# changed by somebody else

sql($t, 'disk/tasks.db', 'DELETE FROM reviewer_presence;'
    . 'INSERT INTO reviewer_presence(reviewer_id, status, expires_at)'
    . " VALUES ('ghost', 'online', 1e10)");

ok(wait_for(sub { rows($t) =~ /^ann\|busy\|\S* ghost\|offline/ }),
   'what others write is undone');

$t->stop();


END {
    system("umount -l $mounted") if $mounted;
}


sub client {
    my ($t, $user) = @_;

    my $ws = ws_connect($t, "/?user=$user");
    $ws->recv_until('welcome');
    return $ws;
}


sub says {
    my ($ws, $status) = @_;

    $ws->send_text(qq({"type":"presence-update","id":1,"status":"$status"}));
    $ws->recv_until('ack');
}


sub rows {
    my ($t) = @_;
    return join ' ', @{sql($t, 'disk/tasks.db',
        'SELECT reviewer_id, status, current_feature FROM reviewer_presence'
        . " WHERE length(reviewer_id) > 1 ORDER BY reviewer_id") || []};
}
