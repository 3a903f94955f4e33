#!/usr/bin/perl

# What cannot be read of a state is moved aside, and the server starts without
# it: damaged files, files of another key, a directory that cannot be used.

use warnings;
use strict;

use JSON::PP;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(28);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    4m;
        state   %%TESTDIR%%/state snapshot=1h;
        presence memory;
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

my $conf = $t->read_file('nginx.conf');
my $state = $t->testdir() . '/state';

###############################################################################

# a file with one bit flipped, and one cut off

my $last = life($t);

damage('events', sub { substr($_[0], 60, 1) ^= "\1" });
damage('revocations', sub { substr $_[0], -1, 1, '' });

$t->run();

isnt(last_id($t), $last, 'a damaged file of events is not believed');
is(count($t, qr{"\S+/state/events" is damaged: hub "h" starts without}), 1,
    'which is said once');
is(welcome($t, 'eve')->status(), 101, 'nor one of revocations that was cut');
is(count($t, qr{"\S+/state/revocations" was cut off: hub "h" starts}), 1,
    'which is said, too');
ok(-s "$state/events.bad" && -s "$state/revocations.bad",
    'both are moved aside');

my $next = publish_one($t);

ok(later($next, $last), 'new events are above all there were');

$t->stop();
$t->run();

is(last_id($t), $next, 'and are kept again');

$t->stop();

###############################################################################

# who the server was

damage('server', sub { $_[0] = 'nonsense' });

$t->run();

is(count($t, qr{"\S+/state/server" is no snapshot}), 1,
    'a damaged file of the server is told of');
ok(-s "$state/server.bad", 'and moved aside');
is(reason($t, $next), 'gap',
    'its events are there, but nobody knows whether all of them');

$t->stop();

###############################################################################

# a file in the place of another one

rename "$state/revocations", "$state/events";

$t->run();

is(count($t, qr{"\S+/state/events" is another of these files}), 1,
    'a file in the place of another is told of');
isnt(last_id($t), $next, 'and not believed');

$last = publish_one($t);
$t->stop();

unlink "$state/events.bad", "$state/events";
symlink '/etc/passwd', "$state/events";

$t->run();

is(count($t, qr{open\(\) "\S+/state/events" failed}), 1,
    'a link is not followed');
ok(-l "$state/events.bad", 'but moved aside as it is');

$t->stop();
ok(-f "$state/events" && !-l "$state/events", 'and replaced by a file');

###############################################################################

# encrypted

SKIP: {
    my ($ok, $said) = nginx_t($t, keyed($t, 'first'));
    skip "no key in this build: $said", 8 if !$ok;

    my $plain = life($t);
    $t->write_file('key', 'the first secret of the state, which is long');
    $t->write_file('nginx.conf', keyed($t, 'key'));
    $t->run();

    is(last_id($t), $plain, 'what was not encrypted is read with a key');
    publish($t, { type => 'e', text => 'a text to look for' });
    $last = last_id($t);
    $t->stop();

    is(join(' ', grep { read_raw("$state/$_") =~ /to look for|"e"|task/ }
        qw/ server events revocations /), '', 'and encrypted from then on');

    $t->run();
    is(last_id($t), $last, 'with the same key it is read');
    $t->stop();

    $t->write_file('key', 'another secret of the state, which is as long');
    $t->run();
    isnt(last_id($t), $last, 'with another one it is not');
    is(count($t, qr{/events" is damaged, or was made with another key}), 1,
        'which is said');
    ok(-s "$state/events.bad", 'and moved aside');
    $t->stop();

    $t->write_file('nginx.conf', $conf);
    $t->run();
    is(count($t, qr{/events" is encrypted, and there is no key}), 1,
        'nor without any, which is said');
    is(publish_status($t), 200, 'and it takes events');
    $t->stop();
}

###############################################################################

# a directory that cannot be used

$t->write_file('nginx.conf', $conf);
$t->run();
$last = publish_one($t);

rename $state, "$state.away";

is(publish_status($t), 200, 'without its directory it goes on');
ok(welcome($t, 'ann')->is_open(), 'and takes clients');

$t->stop();

is(count($t, qr{could not be kept: open\(\) "\S+/state" failed}), 1,
    'that nothing could be kept is said');
ok(!-e $state, 'and nothing is made in its place');

$t->run();

is(publish_status($t), 200, 'it starts without it');

rename $state, "$state.new";
$t->stop();

###############################################################################

sub keyed {
    my ($t, $name) = @_;
    my $dir = $t->testdir();
    $t->write_file($name, 'a secret of the state, which is long enough');
    return $conf =~ s{presence memory}{presence memory key=file:$dir/$name}r;
}


# A life in which an event came and eve was revoked: the last id.
sub life {
    my ($t) = @_;

    $t->run();
    my $id = publish_one($t);
    api($t, 'POST', '/admin/revocations', body => JSON::PP->new->encode(
        { user => 'eve', until => (time() + 3600) * 1000 }));
    $t->stop();

    return $id;
}


sub damage {
    my ($name, $how) = @_;
    my $data = read_raw("$state/$name");

    $how->($data);

    open my $f, '>:raw', "$state/$name" or die "cannot open $name: $!\n";
    print $f $data;
    close $f;
}


sub read_raw {
    my ($path) = @_;
    open my $f, '<:raw', $path or return '';
    local $/;
    return <$f> // '';
}


sub count {
    my ($t, $pattern) = @_;
    return scalar(() = $t->read_file('error.log') =~ /$pattern/g);
}


sub welcome {
    my ($t, $user) = @_;
    return ws_connect($t, "/?user=$user");
}


sub last_id {
    my ($t) = @_;
    return welcome($t, 'ann')->recv_until('welcome')->{lastEventId};
}


# How a client that has this event is answered.
sub reason {
    my ($t, $since) = @_;
    return ws_connect($t, "/?user=ann&since=$since")->recv_until('resumed')->{reason};
}


sub publish_one {
    my ($t) = @_;
    return (publish($t, { type => 'e', n => 1 }))[1]{eventIds}[0];
}


sub publish_status { return (publish($_[0], { type => 'e', n => 1 }))[0] }


sub later {
    my ($x, $y) = map { [ split /-/ ] } @_;
    return $x->[0] > $y->[0] || ($x->[0] == $y->[0] && $x->[1] > $y->[1]);
}
