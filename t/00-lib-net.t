#!/usr/bin/perl

# Several nginx, and networks whose cables are pulled, without the module.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Net;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

own_network();

my $t = Test::Nginx->new()->has_daemon('redis-server')
    ->has_daemon('nsenter')->plan(10);

my $space = Test::Conductor::Net->new($t);
my @cables = map { $space->cable() } 1 .. 2;

my ($first, $second) = servers($t, 2, <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    server {
        listen 127.0.0.1:8080;

        location /     { return 200 "%%N%% 10.77.%%N%%.2:%%PORT_8379%%"; }
        location /own  { return 200 %%TESTDIR%%; }
        location /port { return 200 %%PORT_8080%%; }
    }
}

EOF_CONF

is((api($first, 'GET', '/'))[1], "1 10.77.1.2:" . port(8379),
   'the first nginx answers');
is((api($second, 'GET', '/'))[1], "2 10.77.2.2:" . port(8379),
   'the second one too');
isnt((api($first, 'GET', '/own'))[1], (api($second, 'GET', '/own'))[1],
     'from a directory of its own');
is((api($second, 'GET', '/port'))[1], port(8081), 'on a port of its own');
my $redis = redis($t, net => $space, bind => '0.0.0.0');

ok(!eval { Test::Conductor::Redis::Client->new(
               '127.0.0.1:' . $redis->port()) },
   'a server in another network is not here');

my @ways = map {
    Test::Conductor::Redis::Client->new($_->there() . ':' . $redis->port())
} @cables;

is($ways[0]->do('PING'), 'PONG', 'but at the end of a cable');

$cables[0]->pull();
$ways[0]->send('PING');
is($ways[0]->next(0.5), undef, 'nothing comes through one that is pulled');
is($ways[1]->do('PING'), 'PONG', 'only through the other one');

$cables[0]->plug();
is_deeply($ways[0]->next(), [ 'PONG' ], 'what was lost comes when it is back');
is($ways[0]->do('PING'), 'PONG', 'and more');
