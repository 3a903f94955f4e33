#!/usr/bin/perl

# A back end that is a stream in Redis: all kinds are appended to it, and read
# by a consumer group; also what was said while Redis was away.

use warnings;
use strict;

use JSON::PP;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
                           ->has_daemon('redis-server'))->plan(16);

$t->todo_alerts(killed());

my $redis = redis($t);

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
        presence %%TESTDIR%%/tasks.db;
        redis redis://127.0.0.1:8379 timeout=200ms;
        channel presence:updates { default on; }
        message note;
    }

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor h;
            conductor_identity user=$arg_user role=reviewer;
            conductor_backend redis-stream:told connect message disconnect
                                                presence;
            conductor_limit_messages off;
        }
    }
}

EOF_CONF

$redis->do('XGROUP', 'CREATE', 'told', 'workers', '0', 'MKSTREAM');
$t->run();

###############################################################################

my $ws = ws_connect($t, '/?user=ann');
my $id = $ws->recv_until('welcome')->{connectionId};

$ws->send_json({ type => 'note', text => 'a', id => 1 });
is($ws->recv_until('ack')->{id}, 1, 'a message is answered at once');

$ws->send_json({ type => 'agent:learning', action => 'sing', id => 2 });
$ws->send_json({ type => 'presence-update', status => 'busy', id => 3 });
$ws->recv_until('ack') for 2, 3;
$ws->close();

my @told = read_told($redis, 5);

is(join(' ', map { $_->{kind} } @told),
    'connect message message presence disconnect',
    'a consumer group reads all that a client did, in its order');
is_deeply([ map { $_->{data}{kind} } @told ], [ map { $_->{kind} } @told ],
    'each as an object of its kind');
is_deeply($told[1]{data}{message}, { type => 'note', text => 'a' },
    'with the message');
is($told[3]{data}{presence}{status}, 'busy', 'with the status');
is(join(' ', uniq(map { "$_->{data}{connectionId} $_->{data}{userId}" } @told)),
    "$id ann", 'and who the client is');
is(scalar(uniq(map { $_->{data}{id} } @told)), 5, 'each by an id of its own');

###############################################################################

# Redis is away

$ws = ws_connect($t, '/?user=bob');
$ws->recv_until('welcome');
read_told($redis, 1);

$redis->kill();

$ws->send_json({ type => 'note', n => $_, id => $_ }) for 1 .. 300;
is(scalar(grep { $ws->recv_until('ack') } 1 .. 300), 300,
    'without Redis messages are taken');
ok(wait_for(sub { kept($t) >= 300 }), 'and are on disk');

my $keeper = keeper_pid($t);
kill 'KILL', $keeper;
ok(wait_for(sub { (keeper_pid($t) // $keeper) != $keeper }),
    'the keeper dies, and another one follows');

$redis->start();
$redis->do('XGROUP', 'CREATE', 'told', 'workers', '0', 'MKSTREAM');

@told = read_told($redis, 300);
is_deeply([ map { $_->{data}{message}{n} } @told ], [ 1 .. 300 ],
    'when it is back, they come, in their order');
ok(wait_for(sub { kept($t) == 0 }), 'and nothing is on disk any more');

$redis->do('DEL', 'told');
$redis->do('SET', 'told', 'no stream');
$ws->send_json({ type => 'note', n => 301, id => 1 });
$ws->recv_until('ack');
ok(wait_for(sub { $t->find_in_file('error.log',
    qr/\[error\].*"redis-stream:told" of hub "h" does not .*WRONGTYPE/) }),
    'what Redis has under that name may be no stream: that is logged');

$redis->do('DEL', 'told');
$redis->do('XGROUP', 'CREATE', 'told', 'workers', '0', 'MKSTREAM');
is((read_told($redis, 1))[0]{data}{message}{n}, 301,
    'and it is tried again');

###############################################################################

# What is configured wrongly.

my $conf = $t->read_file('nginx.conf');

like((nginx_t($t, $conf =~ s/redis redis:.*//r))[1], qr/\[emerg\].*needs "redis"/,
    'a stream wants Redis');
like((nginx_t($t, $conf =~ s/redis redis:.*//r =~ s/state .*//r
    =~ s/presence .*db;//r =~ s/redis-stream:told/\/b/r))[1],
    qr/\[emerg\].*hub "h" needs "state"/,
    'and what must not be lost a directory');

###############################################################################


# Reads so many entries as a consumer of the group, and acknowledges them.
sub read_told {
    my ($redis, $n) = @_;
    my @told;

    wait_for(sub {
        my $answer = $redis->do(qw/ XREADGROUP GROUP workers one COUNT 1000
                                    STREAMS told > /);

        for my $entry (@{$answer ? $answer->[0][1] : []}) {
            my %field = @{$entry->[1]};

            push @told, { kind => $field{kind},
                          data => JSON::PP->new()->decode($field{data}) };
            $redis->do('XACK', 'told', 'workers', $entry->[0]);
        }

        return @told >= $n;
    }, 15);

    return @told;
}


# How many records are on disk.
sub kept {
    my ($t) = @_;
    my $n = 0;

    for my $file (grep { /\/errands\.\w+$/ }
                  glob $t->testdir() . '/state/*')
    {
        open my $f, '<', $file or next;
        local $/;
        $n += () = <$f> =~ /"kind":"/g;
    }

    return $n;
}


sub uniq {
    my %seen;
    return grep { !$seen{$_}++ } @_;
}
