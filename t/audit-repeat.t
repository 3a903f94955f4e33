#!/usr/bin/perl

# What anybody can cause as often as they like does not fill the audit log: some
# lines are written, and then how many were not.  Nor does a process that holds
# the file: the lines of others wait.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use Fcntl qw/ F_SETLK F_WRLCK SEEK_SET /;
use JSON::PP;

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(13);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      4m;
        history   events=100 size=64k;
        drain     100ms;
        audit_log audit.log;
        channel   c { default on; }
        channel   s { roles nobody; }
        event     e { channel c; publish_roles nobody; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;

        location /      { conductor h; conductor_auth off; }
        location /few   { conductor h; conductor_auth off;
                          conductor_limit_messages 2 per=1ms close_after=9999; }
        location /role  { conductor h; conductor_require_role nobody;
                          conductor_identity user=$arg_user role=some; }
        location /admin { conductor_admin h; conductor_require_role nobody;
                          conductor_identity user=$arg_user role=some; }
    }
}

EOF_CONF

$t->run();

# a client, of each cause once, also of windows that are short

my $ws = ws_connect($t, '/few');
my $id = $ws->recv_until('welcome')->{connectionId};
my $over = 0;

for (1 .. 50) {
    $ws->send_json({ type => 'ping' }) for 1 .. 100;
    $over += grep { /"rate_limited"/ } @{$ws->sync() || []};
    last if $over > 100;
}

cmp_ok($over, '>', 1, 'a client is over its rate');

$ws = ws_connect($t, '/');
my $other = $ws->recv_until('welcome')->{connectionId};
my @no = ({ type => 'publish', event => { type => 'e' } },
          { type => 'subscribe', channel => 's' });
$ws->command($no[$_ % 2]) for 0 .. 39;

# an address, and whoever it says to be

my %path = (map { ("/role?user=$_" => 25) } qw/ ann bob /);

for my $path (sort keys %path) {
    ws_connect($t, $path) for 1 .. $path{$path};
}

api($t, 'GET', '/admin/connections?x=1') for 1 .. 25;

is(scalar(grep { denied($_, $id) } lines()), 1,
    'what it may not do is told once');
is(scalar(grep { denied($_, $other) } lines()), 2,
    'of another one each cause');
cmp_ok(scalar(grep { $_->{event} eq 'refuse' && $_->{user} eq 'ann' } lines()),
    '<=', 10 * workers(), 'handshakes that are refused ten times a worker');
cmp_ok(scalar(grep { $_->{event} eq 'refuse' && $_->{user} eq 'bob' } lines()),
    '>=', 10, 'of each who comes');

# the rest is told when their minute is over, or with the process

reload_workers($t);

my $more = wait_for(sub {
    my @all = lines();
    return 50 == sum(grep { $_->{event} eq 'refuse' } @all)
           && 25 == sum(grep { ($_->{what} // '') eq 'admin' } @all)
           && 40 == sum(grep { denied($_, $other) } @all)
           && (grep { denied($_, $id) && $_->{repeated} } @all) && \@all;
}) || [];

ok(scalar @$more, 'all are counted');
is(sum(grep { $_->{event} eq 'refuse' && $_->{user} eq 'ann' } @$more), 25,
    'of each who came');
is(sum(grep { $_->{event} eq 'deny' && ($_->{what} // '') eq 'admin' } @$more),
    25, 'so are requests');
is(sum(grep { denied($_, $id) } @$more), $over, 'and messages over the rate');
is(sum(grep { denied($_, $other) } @$more), 40, 'and those that are forbidden');
is((grep { denied($_, $other) && $_->{repeated} } @$more)[0]{reason},
    'forbidden', 'with the reason');

# the lock of the file

open my $file, '>>', $t->testdir() . '/audit.log' or die "audit.log: $!\n";
my $lock = pack 's s x4 q q i x4', F_WRLCK, SEEK_SET, 0, 0, 0;
fcntl $file, F_SETLK, $lock or die "lock: $!\n";

my $size = -s $file;
$ws = ws_connect($t, '/');
$id = $ws->recv_until('welcome')->{connectionId};
$ws->sync();
is(-s $file, $size, 'while another process has the file, nothing is written');
close $file;
ok(wait_for(sub { grep { ($_->{connection} // '') eq $id } lines() }),
    'and then everything');

$t->stop();


sub lines {
    return map { decode_json($_) } split /\n/, $t->read_file('audit.log');
}


sub denied {
    my ($line, $who) = @_;
    return $line->{event} eq 'deny' && ($line->{connection} // '') eq $who;
}


# How often it happened that lines tell of.
sub sum {
    my $n = 0;

    $n += $_->{repeated} // 1 for @_;
    return $n;
}
