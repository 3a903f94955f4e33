#!/usr/bin/perl

# What a server that is stopped and started again still knows: its events with
# their ids, whom it does not let in, its name.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(34);

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
        history events=100 size=256k;
        state   %%TESTDIR%%/state snapshot=1h;
        channel c { default on; }
        event   e { channel c; }
    }

    conductor_hub plain {
        zone    4m;
        channel c { default on; }
        event   e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_jwt_key HS256 "a secret of at least thirty-two bytes";

        location /        { conductor h; }
        location /plain   { conductor plain; }
        location /publish { conductor_publish h; conductor_auth off; }
        location /other   { conductor_publish plain; conductor_auth off; }
        location /admin   { conductor_admin h; conductor_auth off; }
    }
}

EOF_CONF

my $conf = $t->read_file('nginx.conf');
my $state = $t->testdir() . '/state';
my $secret = 'a secret of at least thirty-two bytes';
my $now = time() * 1000;

$t->run();

###############################################################################

my $first = welcome($t, 'ann');
my @ids = map { publish_one($t) } 1 .. 5;

is((publish($t, { type => 'e', n => 0 }, path => '/other'))[0], 200,
    'a hub without a state takes an event, too');
my $plain = welcome($t, 'ann', '/plain');

is(revoke($t, user => 'eve'), 200, 'a user is revoked');
my $soon = (time() + 2) * 1000;
is(revoke($t, user => 'kim', until => $soon), 200, 'another for two seconds');
is(revoke($t, jti => 'j1'), 200, 'and a token');

$t->stop();

ok(-s "$state/$_", "there is a file of $_")
    for qw/ server events revocations /;
is(join(' ', map { sprintf '%o', (stat "$state/$_")[2] & 0777 }
    qw/ server events revocations /), '600 600 600', 'for nobody else to read');
is(join(' ', grep { !/^(?:\.+|server|events|revocations|lock)$/ }
    files($state)), '', 'and nothing else');

wait_for(sub { time() * 1000 > $soon });
$t->run();

my $second = welcome($t, 'ann');

is($second->{lastEventId}, $ids[4], 'the last event is known after a restart');
is($second->{server}, $first->{server}, 'and the name of the server');
like($second->{server}, qr/-[0-9a-f]{8}$/, 'which has an id in it');

my $other = welcome($t, 'ann', '/plain');
isnt($other->{lastEventId}, $plain->{lastEventId},
    'a hub without a state has forgotten its own');

is(status($t, 'eve'), 401, 'who was revoked still is');
is(status($t, 'kim'), 101, 'who is no longer is not');
is(status($t, 'ann', 'j1'), 401, 'the token is revoked');
is(status($t, 'ann', 'j2'), 101, 'another is not');

my $next = publish_one($t);

ok(later($next, $ids[4]), 'new events have later ids');
is($t->find_in_file('error.log', qr/begins with 5 events and 2 revocations/),
    1, 'the log says what there was');

###############################################################################

# without children that could send clients on

kill 'TERM', master($t);
wait_gone([ master($t) ], 15);
$t->stop();
$t->run();

is(welcome($t, 'ann')->{lastEventId}, $next, 'a fast stop keeps events, too');
is(status($t, 'eve'), 401, 'and revocations');

is(revoke($t, user => 'eve', until => 0), 200, 'a revocation is lifted');

my $last = publish_one($t);

$t->stop();
my $written = (stat "$state/events")[1];
$t->run();

is(status($t, 'eve'), 101, 'and is, after a restart');
is(welcome($t, 'ann')->{lastEventId}, $last, 'which keeps the event');

###############################################################################

# nginx -t

# the keeper writes once, soon after it has begun

wait_for(sub { (stat "$state/events")[1] != $written });

my @before = map { (stat "$state/$_")[9, 1] } qw/ server events /;
my ($ok) = nginx_t($t, $conf);

ok($ok, 'the configuration can be checked beside');
is(join(' ', map { (stat "$state/$_")[9, 1] } qw/ server events /),
    "@before", 'which changes nothing');

$t->stop();

###############################################################################

# other limits

$t->write_file('nginx.conf', $conf =~ s/events=100/events=16/r);
$t->run();

is(welcome($t, 'ann')->{lastEventId}, $last,
    'a smaller log keeps the last events');

$t->stop();
$t->write_file('nginx.conf', $conf =~ s/size=256k/size=256k age=1s/r);
wait_for(sub { time() * 1000 > ms() + 1000 });
$t->run();

is(welcome($t, 'ann')->{lastEventId}, $last,
    'events that are too old leave their position');
ok(later(publish_one($t), $last), 'above which it goes on');

$t->stop();

###############################################################################

# a name of one's own, and none again

$t->write_file('nginx.conf', $conf =~ s/zone    4m;/zone 4m; name own;/r);
$t->run();

is(welcome($t, 'ann')->{server}, 'own', 'a configured name is used');

$t->stop();
$t->write_file('nginx.conf', $conf);
$t->run();

is(welcome($t, 'ann')->{server}, $first->{server},
    'the generated one is kept meanwhile');

###############################################################################

# a zone of another size

my $small = publish_one($t);
$t->stop();
$t->run();

wait_for(sub { worker_pids($t) == workers() });

$t->write_file('nginx.conf', $conf =~ s/4m/5m/r);
wait_gone([ reload_workers($t) ], 15);

is(reason($t, $small), 'gap',
    'a new zone at a reload begins with what was kept, and says so');

my $new = publish_one($t);
ok(later($new, $small), 'and goes on above it');

$t->stop();
$t->run();

is(welcome($t, 'ann')->{lastEventId}, $new,
    'and its events are kept by the same master');

$t->stop();

###############################################################################

sub ms { return (stat "$state/events")[9] * 1000 }


sub files {
    my ($dir) = @_;
    opendir my $d, $dir or return '?';
    return sort readdir $d;
}


sub master {
    my ($t) = @_;
    return ((eval { $t->read_file('nginx.pid') } // '') =~ /(\d+)/)[0];
}


sub token {
    my ($user, $jti) = @_;
    return jwt({ sub => $user, $jti ? (jti => $jti) : (),
        exp => time() + 3600 }, key => $secret);
}


sub welcome {
    my ($t, $user, $path) = @_;
    return ws_connect($t, $path // '/', token => token($user))
        ->recv_until('welcome');
}


# How a client that has this event is answered.
sub reason {
    my ($t, $since) = @_;
    return ws_connect($t, "/?since=$since", token => token('ann'))->recv_until('resumed')->{reason};
}


sub status {
    my ($t, $user, $jti) = @_;
    return ws_connect($t, '/', token => token($user, $jti))->status();
}


sub publish_one {
    my ($t) = @_;
    return (publish($t, { type => 'e', n => 1 }))[1]{eventIds}[0];
}


sub revoke {
    my ($t, %what) = @_;
    $what{until} //= $now + 3600 * 1000;
    return (api($t, 'POST', '/admin/revocations', body =>
        JSON::PP->new->encode(\%what)))[0];
}


# Whether an id is above another one.
sub later {
    my ($x, $y) = map { [ split /-/ ] } @_;
    return $x->[0] > $y->[0] || ($x->[0] == $y->[0] && $x->[1] > $y->[1]);
}
