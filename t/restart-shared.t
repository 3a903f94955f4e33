#!/usr/bin/perl

# One directory and two servers: of a binary upgrade that is taken back, and
# independent ones.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(21);

my $conf = <<'EOF_CONF';

%%TEST_GLOBALS%%

daemon on;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    4m;
        state   %%TESTDIR%%/state snapshot=100ms;
        drain   200ms;
        channel c { default on; }
        event   e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_identity user=$arg_user;

        location /        { conductor h; }
        location /publish { conductor_publish h; conductor_auth off; }
    }
}

EOF_CONF

$t->write_file_expand('nginx.conf', conductor_conf($conf));

my $state = $t->testdir() . '/state';

$t->run();

###############################################################################

# a new binary is started, and ended again

my $old = master($t);
my @id = events($t, 1 .. 3);

ok(wait_for(sub { kept(3) }), 'events are kept');

kill 'USR2', $old;
ok(wait_for(sub { (master($t) // $old) != $old
        && -s pid_file($t, '.oldbin') }, 15), 'a new binary starts');

my $new = master($t);

kill 'WINCH', $old;
ok(wait_for(sub { !workers_of($old) }, 15), 'the old workers end');

push @id, events($t, 4, 5);
ok(wait_for(sub { kept(5) }), 'the new one keeps its events');
is(replayed($t, $id[1]), '3 | gap',
    'and tells clients that there may be others');

kill 'HUP', $old;
ok(wait_for(sub { workers_of($old) }, 15), 'the old one has workers again');

kill 'QUIT', $new;
ok(wait_gone([ $new ], 15), 'the new one is ended');
ok(wait_for(sub { (master($t) // 0) == $old }), 'and the old one is alone');

push @id, events($t, 6);

ok(wait_for(sub { kept(6) }), 'it keeps its events again');
like(replayed($t, $id[1]), qr/^3 (?:6 )?\| gap/,
    'its clients are told that the new one took some');
is(replayed($t, $id[4]), '| upgrade', 'as are those of the new one');

push @id, events($t, 7);

$t->stop();

my $before = files();
$t->run();
ok(wait_for(sub { files() ne $before }), 'the next one has the directory');

like(replayed($t, $id[1]), qr/^3 (?:6 )?\| gap/, 'which a restart remembers');
is(replayed($t, $id[6]), '| recovered', 'what came later is complete');

###############################################################################

# another server with the same directory

my $other = Test::Nginx->new();
my $log = sub { $other->read_file('error.log') };

$other->write_file_expand('nginx.conf', conductor_conf($conf =~
    s/8080/8081/r =~ s/%%TESTDIR%%\/state/$state/r));

my $files = '';
wait_for(sub { my $was = $files; ($files = files()) eq $was });
$other->run();

like($log->(), qr{"\S+/state" is the state of another server, process \d+},
    'a server that finds another one there says so');
unlike(ws_connect(port(8081), '/?user=ann')
    ->recv_until('welcome')->{lastEventId}, qr/^@{[ $id[6] =~ m,(\d+), ]}-/,
    'and begins without its events');

$other->reload();
$other->stop();

is(files(), $files, 'the files are as they were, also when it ends');
is(replayed($t, $id[1]) =~ s/.*\| //r, 'gap', 'the first one goes on');

push @id, events($t, 8);
ok(wait_for(sub { kept(8) }), 'and keeps its events');

$t->stop();

###############################################################################

sub pid_file { return $_[0]->testdir() . '/nginx.pid' . ($_[1] // '') }


sub master {
    my ($t) = @_;
    return ((eval { $t->read_file('nginx.pid') } // '') =~ /(\d+)/)[0];
}


# The workers of this master.
sub workers_of {
    my ($master) = @_;

    return grep { slurp("/proc/$_/cmdline") =~ /^nginx: worker process/ }
        split ' ', slurp("/proc/$master/task/$master/children");
}


sub slurp {
    my ($path) = @_;
    open my $f, '<:raw', $path or return '';
    local $/;
    return <$f> // '';
}


# Which files there are; another number with every replacement.
sub files {
    return join ' ', map { "$_ " . (stat)[1] } sort glob "$state/*";
}


# Is this event in the snapshot?
sub kept {
    my ($number) = @_;
    return index(slurp("$state/events"), "number $number.") >= 0;
}


sub events {
    my ($t, @n) = @_;
    my ($status, $body) = publish($t, [ map {
        { type => 'e', n => $_, text => "number $_." } } @n ]);

    die "status $status\n" if $status != 200;
    return @{$body->{eventIds}};
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
