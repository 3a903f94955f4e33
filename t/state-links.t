#!/usr/bin/perl

# The user of the workers may do as it likes in a directory of its own: root,
# who makes the state directory there, gives it nothing else by that.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /));

my $conf = <<'EOF_CONF';

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;
user nobody nogroup;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      4m;
        history   events=100 size=64k;
        presence  %%TESTDIR%%/data/tasks.db;
        channel   c { default on; }
        event     e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

$t->write_file_expand('nginx.conf', conductor_conf($conf));

my ($uid, $gid) = (getpwnam('nobody'))[2, 3];

plan(skip_all => 'only root can be made to give something away')
    if $> != 0 || !defined $uid;

$t->plan(14);

my $dir = $t->testdir();
my $state = "$dir/data/tasks.db.state";

chmod 0755, $dir;
mkdir "$dir/$_", 0755 for qw/ data secret mine /;
put("$dir/secret/events", 'events of somebody else');
chown $uid, $gid, "$dir/data";

link_of($uid, "$dir/secret");

my ($ok, $output) = nginx_t($t, $conf);
ok(!$ok, 'a link of theirs in its place is refused');
like($output, qr/\[emerg\].*tasks\.db\.state.*root follows no links/,
    'with the reason');
is((stat "$dir/secret")[4], 0, 'what it leads to is not given to them');

link_of(0, "$dir/mine");
$t->run();

is((stat "$dir/mine")[4], $uid, 'a link of root is followed');
ok(wait_for(sub { -s "$dir/mine/server" }), 'also by the keeper');

# while the server runs

link_of($uid, "$dir/secret");

my $before = refusals();
$t->reload();

ok(wait_for(sub { refusals() > $before }), 'a reload is refused as well');
is((stat "$dir/secret")[4], 0, 'and gives nothing away');

link_of(0, '../mine');
is((publish($t, { type => 'e', n => 1 }))[0], 200, 'the server goes on');
reload_workers($t);
is((publish($t, { type => 'e', n => 2 }))[0], 200,
    'and reloads when the link is gone');

# what is written when all is over

link_of($uid, "$dir/secret");
$t->stop();

is(join(' ', files("$dir/secret")), 'events', 'the last snapshot is not there');
is($t->read_file('secret/events'), 'events of somebody else',
    'nor in the place of something');
like($t->read_file('error.log'), qr/could not be kept: open\(\) "\Q$state\E"/,
    'which is logged');

# a link to a link is none of root's

link_of($uid, "$dir/secret", "$dir/data/second");
link_of(0, "$dir/data/second");
($ok) = nginx_t($t, $conf);
ok(!$ok, 'nor is a link behind a link followed');
is((stat "$dir/secret")[4], 0, 'wherever it leads');


# How often the log says so: "nginx -t" writes there too.
sub refusals {
    my $log = $t->read_file('error.log');

    return scalar(() = $log =~ /\[emerg\].*root follows no links/g);
}


# In the place of the directory, or of "name".
sub link_of {
    my ($owner, $to, $name) = (@_, $state);

    # never root's before it is theirs; Perl has no lchown

    symlink $to, "$name.new" or die "$name.new: $!\n";
    system('chown', '-h', "$owner:$owner", "$name.new") == 0
        or die "chown: $?\n";
    rename "$name.new", $name or die "$name: $!\n";
}


sub put {
    my ($file, $text) = @_;

    open my $f, '>', $file or die "$file: $!\n";
    print $f $text;
    close $f or die "$file: $!\n";
}


sub files {
    my ($name) = @_;

    opendir my $d, $name or die "$name: $!\n";
    return sort grep { !/^\./ } readdir $d;
}
