#!/usr/bin/perl

# The disk of a state fills up under a server whose workers are nobody's.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
    ->has_daemon('mount'));

my ($uid) = (getpwnam('nobody'))[2];

plan(skip_all => 'only root can be made to give something away')
    if $> != 0 || !defined $uid;

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;
user nobody nogroup;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    4m;
        history events=100 size=256k;
        state   %%TESTDIR%%/disk/state snapshot=100ms;
        drain   100ms;
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

my $dir = $t->testdir() . '/disk';
my $state = "$dir/state";

chmod 0755, $t->testdir();
mkdir $dir;
system("mount -t tmpfs -o size=512k,mode=755 none $dir 2>/dev/null") == 0
    or $t->plan(skip_all => 'a file system cannot be mounted here');

my $mounted = $dir;

$t->plan(11);
$t->run();

###############################################################################

# whose the files are

my @id = events($t, 1 .. 3);

ok(wait_for(sub { kept('number 3.') }), 'events are kept');
is(revoke($t, 'eve'), 200, 'a user is revoked');
ok(wait_for(sub { -e "$state/revocations" }), 'which is kept');
is(join(' ', map { owned($_) } '', qw/ server events revocations /),
    join(' ', ($uid) x 4), 'all files are those of the user of the workers');

###############################################################################

# no room

fill();

my $before = inode();
push @id, events($t, 4);

ok(wait_for(sub { $t->read_file('error.log') =~ /\(28: No space left/ }),
    'a full disk is told of');
is(inode(), $before, 'the file is the one of before');

my $ws = ws_connect($t, '/?user=ann');
$ws->recv_until('welcome');
push @id, events($t, 5);

is($ws->recv_until('e')->{n}, 5, 'clients get events meanwhile');

###############################################################################

# room again

unlink "$dir/full";

ok(wait_for(sub { kept('number 5.') }, 15), 'with room all is kept');

fill();
push @id, events($t, 6);
$t->stop();
unlink "$dir/full";
$t->run();

is(replayed($t, $id[2]), '4 5 | gap', 'what did not fit at the stop is lost,'
    . ' and that is said');
is(ws_connect($t, '/?user=eve')->status(), 401, 'revocations were kept');

$t->stop();

is(join(' ', glob "$state/*.new"), '', 'nothing is left over');

###############################################################################

END {
    system("umount -l $mounted") if $mounted;
}


# To the last byte.
sub fill {
    open my $f, '>', "$dir/full" or die "cannot open $dir/full: $!\n";
    1 while (syswrite($f, 'x' x 4096) // 0) == 4096;
    close $f;
}


sub owned { return (stat "$state/$_[0]")[4] // 'nobody at all' }
sub inode { return (stat "$state/events")[1] // 0 }


sub kept {
    my ($text) = @_;
    open my $f, '<:raw', "$state/events" or return 0;
    local $/;
    return index(<$f> // '', $text) >= 0;
}


sub events {
    my ($t, @n) = @_;
    my ($status, $body) = publish($t, [ map {
        { type => 'e', n => $_, text => "number $_." } } @n ]);

    die "status $status\n" if $status != 200;
    return @{$body->{eventIds}};
}


sub revoke {
    my ($t, $user) = @_;
    my $until = (time() + 3600) * 1000;
    return (api($t, 'POST', '/admin/revocations',
        body => qq({"user":"$user","until":$until})))[0];
}


# The numbers of the events that come after an id, and how it ended.
sub replayed {
    my ($t, $since) = @_;
    my $ws = ws_connect($t, "/?user=ann&since=$since");
    my @got;

    $ws->recv_until('welcome');

    while (my $m = $ws->recv_json()) {
        return join ' ', @got, '|', $m->{reason} // 'recovered'
            if $m->{type} eq 'resumed';
        push @got, $m->{n};
    }

    return 'no end';
}
