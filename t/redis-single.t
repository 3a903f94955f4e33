#!/usr/bin/perl

# A hub with Redis in a single process, where there is no keeper: it is one
# without, and its ids are those of its lives.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(7);

$t->write_file_expand('nginx.conf', <<'EOF');

%%TEST_GLOBALS%%

daemon off;
master_process off;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        state %%TESTDIR%%/state;
        redis unix:%%TESTDIR%%/nobody.sock;
        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF

$t->run();

like($t->read_file('error.log'), qr/\[warn\].*does not use its Redis/,
    'it is said that Redis is not used');
is((health($t))[1]{redis}, 'disabled', 'also to those who look');

my @ids = map { id($_) } 1 .. 3;
like($ids[0], qr/^\d{13}-\d+$/, 'events have places of this life');

$t->stop();
unlink glob $t->testdir() . '/state/*';
$t->run();

isnt(id(4), $ids[0], 'the next life gives others');
id($_) for 5 .. 8;

my $ws = ws_connect($t, "/?since=$ids[1]");
ok($ws, 'a client comes back with an id of the first');
ok(!$ws->recv_until('resumed')->{recovered},
    'and is told that it misses something');
id(9);
is(($ws->recv_until('e') // {})->{n}, 9, 'but gets what comes from now on');


sub id {
    my ($n) = @_;
    return (publish($t, { type => 'e', n => $n }))[1]{eventIds}[0];
}
