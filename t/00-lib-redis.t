#!/usr/bin/perl

# The servers of Redis that other tests use, without the module.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has_daemon('redis-server')->plan(14);

$t->write_file_expand('nginx.conf', <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%
}

EOF_CONF

$t->run();

my $redis = redis($t);

is($redis->do('SET', 'k', "a\r\n"), 'OK', 'a command is answered');
is($redis->do('GET', 'k'), "a\r\n", 'with what it asked for');
is($redis->cli('GET', 'none'), '', 'the program redis-cli asks it too');
is_deeply($redis->do('MGET', 'k', 'none'), [ "a\r\n", undef ],
          'lists are lists');
is(eval { $redis->do('INCR', 'k') } // $@,
   "redis: ERR value is not an integer or out of range\n",
   'an error is an error');

my $client = $redis->client()->subscribe('c', 'd');

is($redis->publish('d', { type => 'e' }), 1, 'a publication has a receiver');
is_deeply([ $client->message() ], [ '{"type":"e"}', 'd' ], 'who gets it');

my $asks = $redis->client();

$redis->hang();
$asks->send('PING');
is($asks->next(0.2), undef, 'one that hangs does not answer');
$redis->go_on();
is_deeply($asks->next(), [ 'PONG' ], 'until it goes on');

my $id = $redis->info('run_id');

$redis->restart();
isnt($redis->info('run_id'), $id, 'one that was killed starts as another one');
is($redis->do('GET', 'k'), undef, 'and knows nothing');

my $keeps = redis($t, name => 'keeps', port => 8380, keep => 1,
                  password => 'secret');

$keeps->do('SET', 'k', 1);
$keeps->restart();
is($keeps->do('GET', 'k'), 1, 'unless it keeps what it has');
$keeps->kill()->empty()->start();
is($keeps->do('GET', 'k'), undef, 'and is not emptied');

is(eval { Test::Conductor::Redis::Client->new($keeps->address())->do('PING') }
   // $@, "redis: NOAUTH Authentication required.\n",
   'a password is asked for');
