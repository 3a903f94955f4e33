#!/usr/bin/perl

# What stands in Redis for the name of a server gets neither into frames nor
# into the log as it is.

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
    ->has_daemon('redis-server'))->plan(5);

my $redis = redis($t);

my ($a) = servers($t, 1, <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      16m;
        name      node-%%N%%;
        state     %%TESTDIR%%/state;
        history   events=1000 size=256k;
        presence  memory leave=500ms tick=10ms;
        redis     redis://127.0.0.1:8379;
    }

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor           h;
            conductor_identity  user=$arg_user;
        }

        location /presence { conductor_presence h; }
        location /health   { conductor_health h; }
    }
}

EOF_CONF

ok(hub_is('connected', undef, $a), 'a server is joined by Redis');

my $ann = ws_connect($a, '/?user=ann');
$ann->recv_until('presence-list');

# a server that only Redis has: it is there for a beat

my $base = '{conductor:h}:';
my ($now) = @{$redis->do('TIME')};

$redis->do('HSET', "${base}reviewers:77", 'version', 1, 'u:eve',
    '{"id":"eve","status":"busy","role":"","feature":"","connections":1,'
    . '"connection":"conn_AAAAAAAAAAAAAAAA","said":1,"since":1}');
$redis->do('HSET', "${base}versions", 77, 1);
$redis->do('HSET', "${base}names", 77, "no\xff\n[error] name");
$redis->do('ZADD', "${base}servers", $now * 1000, 77);

ok(wait_for(sub { server('eve') eq 'no??[error]?name' }),
    'its name is made text');
ok(wait_for(sub { $a->read_file('error.log')
                      =~ /server "no\?\?\[error\]\?name" .* gone/ }),
    'also in the log, when it is gone');
unlike($a->read_file('error.log'), qr/^\[error\]/m, 'where it begins no line');
ok($ann->is_open(), 'and who watches is still there');


# Where somebody is; empty if not there.
sub server {
    my ($user) = @_;
    my ($who) = grep { $_->{userId} eq $user }
                     @{(api($a, 'GET', '/presence'))[1]{reviewers} // []};

    return $who ? $who->{server} : '';
}
