#!/usr/bin/perl

# The connections of a hub to its Redis: three, up and down together, but for
# the one for channels; and one that is silent is not waited for.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
                           ->has_daemon('redis-server'))->plan(15);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 16m;
        state %%TESTDIR%%/state;
        redis redis://127.0.0.1:8379;
        channel c { default on; }
        event e { channel c; require n; }
    }

    server {
        listen 127.0.0.1:8080;

        location /health { conductor_health h; }
    }
}

EOF_CONF

my $redis = redis($t, start => 0);

$t->run();

ok(hub_is('degraded', undef, $t), 'without Redis a hub starts alone');
ok(wait_for(sub { error() =~ /^127\.0\.0\.1:\d+: .*refused/ }),
   'and says why');

$redis->start();
ok(hub_is('connected', 10, $t), 'it finds a Redis that comes later');
is(scalar of_hub(), 3, 'and has three connections to it');

for my $which (0 .. 1) {
    my @before = of_hub();

    $redis->do('CLIENT', 'KILL', 'ID', $before[$which]{id});

    my $anew = wait_for(sub {
        my %old = map { $_->{id} => 1 } @before;
        my @now = of_hub();

        return @now == 3 && !grep { $old{$_->{id}} } @now;
    }, 10);

    ok($anew, "when number $which is closed, all are made anew");
}

my $heard;
wait_for(sub { ($heard) = grep { $_->{sub} > 0 } of_hub() });
$redis->do('CLIENT', 'KILL', 'ID', $heard->{id});

ok(wait_for(sub { 3 == grep { $_->{id} != $heard->{id} } of_hub() }, 10),
   'when it is the one for channels, that alone is');

ok(hub_is('connected', 10, $t), 'and the hub is connected');

$redis->hang();
ok(hub_is('degraded', 10, $t), 'a Redis that hangs is not waited for');
ok(wait_for(sub { error() =~ /does not answer/ }, 15),
   'nor its connections, when they are silent');

$redis->go_on();
ok(hub_is('connected', 10, $t), 'when it goes on, it is found again');
ok(wait_for(sub { scalar of_hub() == 3 }), 'by three connections');

$redis->restart();
ok(hub_is('connected', 10, $t), 'so it is when it was restarted');

my @lines = $t->read_file('error.log') =~ /^.*refused.*$/mg;
cmp_ok(scalar @lines, '<=', 4, 'what is in vain for long is logged once');
unlike($t->read_file('error.log'), qr/exited on signal/,
       'no keeper has crashed');


# Why the hub is alone.
sub error { (health($t))[1]{redisError} // '' }


# The connections of the hub, the oldest first.
sub of_hub {
    my @of_hub = grep { $_->{name} eq 'conductor:h' } $redis->connections();

    return sort { $a->{id} <=> $b->{id} } @of_hub if wantarray;
    return scalar @of_hub;
}
