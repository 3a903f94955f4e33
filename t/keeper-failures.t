#!/usr/bin/perl

# What can go wrong with a database: events go on, the health tells, and when
# the cause is gone the table is true again by itself.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

plan(skip_all => 'only root can take rights away from others') if $> != 0;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /)
    ->has_daemon('sqlite3'));

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

user nobody nogroup;
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
        state    %%TESTDIR%%/state;
        presence %%TESTDIR%%/data/tasks.db ttl=20s leave=100ms;
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

my $dir = $t->testdir() . '/data';
my $file = "$dir/tasks.db";
my ($uid, $gid) = (getpwnam 'nobody')[2, 3];

mkdir $dir;
chmod 0755, $t->testdir();

# Each fails after its first function, with what the health then says, and
# works again after its second.

my @cases = (
    [ 'a directory that cannot be written',
      sub { chown 0, 0, $dir; chmod 0755, $dir },
      qr/user "nobody" must be able to write \(13: /,
      sub { chown $uid, $gid, $dir } ],

    [ 'a file that cannot be written',
      sub { put($file, ''); chown 0, 0, $file; chmod 0444, $file },
      qr/it cannot be written/,
      sub { chown $uid, $gid, $file; chmod 0644, $file } ],

    [ 'a file that is no database',
      sub { put($file, 'something else, ' x 1000) },
      qr/it is no SQLite database/,
      sub { unlink $file } ],

    [ 'a database that is damaged',
      sub { damaged($file) },
      qr/damaged|no SQLite database/,
      sub { unlink $file } ],

    [ 'a table that is somebody else\'s',
      sub { sqlite($file, 'CREATE TABLE reviewer_presence(x)') },
      qr/reviewer_presence/,
      sub { sqlite($file, 'DROP TABLE reviewer_presence') } ],

    [ 'a file of a newer version',
      sub { sqlite($file, 'CREATE TABLE conductor_schema(version INTEGER);'
                          . 'INSERT INTO conductor_schema VALUES (99)') },
      qr/version/,
      sub { sqlite($file, 'UPDATE conductor_schema SET version = 1') } ],
);

$t->plan(6 * @cases);

start_with($t, @$_) for @cases;


sub start_with {
    my ($t, $name, $break, $error, $mend) = @_;

    unlink glob "$dir/*";
    chown $uid, $gid, $dir;
    $break->();
    chown $uid, $gid, $file unless $name =~ /cannot be written/;

    $t->run();

    my $ws = ws_connect($t, '/?user=ann');
    $ws->recv_until('welcome');

    my $health = wait_for(sub {
        my $h = (health($t))[1];
        return ($h->{databaseError} // '') =~ $error && $h;
    });

    is($health->{database}, 'failed', "$name: it is told");
    is($health->{status}, 'degraded', 'the health is not good');

    publish($t, { type => 'e', n => 1 });
    is($ws->recv_until('e')->{n}, 1, 'events go on');

    like($t->read_file('error.log'),
         qr/\[error\].*database "\Q$file\E" of hub "h": .*$error/,
         'the log has it');

    $mend->();

    ok(wait_for(sub { (health($t))[1]{status} eq 'ok' }),
       'it recovers when the cause is gone');
    ok(wait_for(sub {
           "@{sql($t, 'data/tasks.db', 'SELECT reviewer_id, status FROM'
              . ' reviewer_presence') || []}" eq 'ann|online'
       }), 'and who is there is in the table');

    $t->stop();
}


sub put {
    my ($file, $content) = @_;

    open my $f, '>', $file or die "$file: $!\n";
    print $f $content;
    close $f;
}


sub sqlite {
    my ($file, $sql) = @_;
    system('sqlite3', '-batch', $file, $sql) == 0 or die "sqlite3 failed\n";
}


# A database whose pages but the first one were overwritten.
sub damaged {
    my ($file) = @_;

    sqlite($file, 'CREATE TABLE x(y); CREATE INDEX z ON x(y);'
                  . "INSERT INTO x VALUES ('a'), ('b')");

    open my $f, '+<', $file or die "$file: $!\n";
    seek $f, 100, 0;
    print $f 'x' x ((-s $file) - 100);
    close $f;
}
