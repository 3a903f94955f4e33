#!/usr/bin/perl

# With a secret, servers believe of presence only what one of them has signed,
# though anyone may write to Redis.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /)
    ->has_daemon('redis-server'))->plan(9);

my $redis = redis($t);

$t->write_file('secret', "what all servers of this hub know, and nobody else\n");

my ($a, $b) = servers($t, 2, <<'EOF_CONF');

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
        presence  memory ttl=1m leave=500ms tick=10ms;
        redis     redis://127.0.0.1:8379
                  secret=file:%%FIRST%%/secret;
    }

    conductor_limit_conn  off;

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

ok(hub_is('connected', undef, $a, $b), 'two servers are joined by Redis');

my @ws = (ws_connect($a, '/?user=ann'), ws_connect($b, '/?user=bob'));


ok(wait_for(sub { there($_) eq 'ann bob' }), "$_->{number}: both are there")
    for $a, $b;

# a reviewer that nobody has

my %versions = @{$redis->do('HGETALL', '{conductor:h}:versions')};
my ($server) = grep {
    grep { /ann/ } @{$redis->do('HKEYS', "{conductor:h}:reviewers:$_")}
} keys %versions;
my $eve = '{"id":"eve","status":"busy","role":"","feature":"","connections":1,'
    . '"connection":"conn_AAAAAAAAAAAAAAAA","said":1,"since":1}';

$redis->do('PUBLISH', '{conductor:h}:presence',
    qq({"server":"$server","version":) . ($versions{$server} + 1) . "}\n$eve");
ok(wait_for(sub { $b->read_file('error.log') =~ /is not signed/ }),
    'a message that is not signed is logged');

# in the hash, and as one that was signed for another, while its owner stands
# still

my $key = "{conductor:h}:reviewers:$server";
my $ann = $redis->do('HGET', $key, 'u:ann');

like($ann, qr/^\S{43} \{/, 'what servers tell is signed');
$redis->do('HSET', $key, 'u:eve', $eve, 'u:mal', $ann =~ s/"ann"/"mal"/r);
$redis->do('HSET', $key, 'u:tim', $ann, 'version', $versions{$server} + 5);
$redis->do('HDEL', $key, 'u:ann');

my $keeper = keeper_pid($a);
kill 'STOP', $keeper;
$redis->do('HSET', '{conductor:h}:versions', $server, $versions{$server} + 5);
ok(wait_for(sub { there($b) eq 'bob' }),
    'nor is what stands in the hash believed');
kill 'CONT', $keeper;

my $carl = ws_connect($a, '/?user=carl');
ok(wait_for(sub { there($_) eq 'ann bob carl' }),
    "$_->{number}: its owner makes good for it") for $a, $b;

my @said = $b->read_file('error.log') =~ /is not signed/g;
is(@said, 1, 'which is logged once');

$_->close(1000) for @ws, $carl;


# Who is there.
sub there {
    my ($s) = @_;
    return join ' ', sort map { $_->{userId} }
                     @{(api($s, 'GET', '/presence'))[1]{reviewers} // []};
}
