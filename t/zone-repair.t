#!/usr/bin/perl

# A process that is killed while it changes the zone leaves it dirty and half
# changed: who locks it next repairs it, and limits count as before.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Zone;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /));

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
        history events=100 size=64k;
        drain   100ms;
        channel c { default on; }
        event   e { channel c; }
    }

    conductor_identity   user=$arg_user;
    conductor_limit_conn 4;
    conductor_limit_user 3;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /publish { conductor_publish h; conductor_auth off; }
        location /health  { conductor_health h; }

        location /window {
            conductor                  h;
            conductor_limit_conn       off;
            conductor_limit_user       off;
            conductor_limit_handshakes 2 per=1h;
        }
    }
}

EOF_CONF

plan(skip_all => 'only root writes to the memory of a worker') if $> != 0;

$t->plan(12);
$t->run();

my @ann = map { as('ann', 2) } 1 .. 2;
my @bob = map { as('bob', 3) } 1 .. 3;
$_->recv_until('welcome') for @ann, @bob;
window(4);

my $zone = Test::Conductor::Zone->new((worker_pids($t))[0]);
ok($zone, 'the zone is found') or BAIL_OUT('the layout has changed');

my @tables = $zone->tables();
is(scalar(@tables), 2, 'with its tables of counted keys');

$zone->spoil(@$_) for @tables;
$zone->spoil_counts(@{$tables[0]});

# a worker that holds the lock just now would take the mark away

ok(wait_for(sub {
    $zone->set_dirty();
    (publish($t, { type => 'e', n => 1 }))[0] == 200 or return;
    $t->find_in_file('error.log', qr/\[warn\]\ .*died\ while\ it\ changed
                     \ the\ zone\ of\ hub\ "h":\ repairing\ it/x);
}), 'the zone is repaired, and takes an event');
is(join(' ', map { $_->recv_until('e')->{n} } @ann, @bob), '1 1 1 1 1',
    'which reaches all');

is(statuses(@ann[2, 3] = map { as('ann', 2) } 1 .. 2), '101 429',
    'a user has as many places as before');
is(statuses(as('bob', 3), as('new', 3)), '429 101', 'and another has none');
is(statuses(as('one', 2), as('two', 2)), '101 429', 'so it is with addresses');
is(statuses(map { window(4) } 1 .. 2), '101 429', 'and windows');

$_->close(1000) for @ann[0 .. 2], @bob;
ok(wait_for(sub { (health($t))[1]{connections} == 0 }), 'all leave');
is(statuses(map { as('ann', 2) } 1 .. 4) . ' '
    . statuses(map { as('bob', 3) } 1 .. 4), '101 101 101 429 101 101 101 429',
    'and give back what was theirs');
is(scalar(() = $t->read_file('error.log') =~ /repairing it/g), 1,
    'one repair is enough');
ok(!$zone->is_dirty(), 'the mark is gone');


sub as {
    my ($user, $n) = @_;
    return ws_connect(port(8080), "/?user=$user", source => "127.0.0.$n");
}


sub window {
    my ($n) = @_;
    return ws_connect(port(8080), '/window?user=w', source => "127.0.0.$n");
}


sub statuses {
    return join ' ', map { $_->status() // 0 } @_;
}
