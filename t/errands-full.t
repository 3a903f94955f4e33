#!/usr/bin/perl

# How much the outbox for back ends holds: the end of every client, and of what
# they say as much as is acknowledged.

use warnings;
use strict;

use JSON::PP;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Told;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /)
                           ->has_daemon('redis-server'))->plan(7);

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
        zone 3m;
        state %%TESTDIR%%/state;
        message note;
    }

    conductor_hub s {
        zone 14m;
        state %%TESTDIR%%/state-s;
        redis redis://127.0.0.1:8379 timeout=200ms;
        message note;
    }

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor h;
            conductor_auth off;
            conductor_backend /backend disconnect;
            conductor_limit_conn off;
            conductor_limit_handshakes off;
        }

        location /stream {
            conductor s;
            conductor_auth off;
            conductor_backend redis-stream:told message disconnect;
            conductor_limit_messages off;
        }

        location = /backend {
            internal;
            proxy_pass http://127.0.0.1:8081;
        }
    }
}

EOF_CONF

told($t, 8081);
tell_back($t, 8081, 503);
$redis->do('XGROUP', 'CREATE', 'told', 'workers', '0', 'MKSTREAM');
$t->run();

###############################################################################

my @clients = map { ws_connect($t, '/') } 1 .. 450;
is(scalar(grep { $_->recv_until('welcome') } @clients), 450,
    'many clients are there');

$t->stop();
$t->run();
tell_back($t, 8081, 200);

ok(wait_for(sub { ends($t) == 450 }, 15),
    'the end of all of them is told after a restart')
    or diag(ends($t));
is(scalar(() = $t->read_file('error.log') =~ /outbox .* is full/g), 0,
    'and nothing makes way');

###############################################################################

# Redis is away, and somebody says much

my $ann = ws_connect($t, '/stream');
$ann->recv_until('welcome');
my $bob = ws_connect($t, '/stream');
$bob->recv_until('welcome');

$redis->kill();

my %answers;
for my $n (1 .. 200) {
    $bob->send_json({ type => 'note', n => $n, id => $n,
                      text => 'x' x 32768 });
    my $answer = $bob->recv_json();
    $answers{$answer->{code} // $answer->{type}}++;
}

cmp_ok($answers{busy} // 0, '>', 0, 'what finds no room is answered with "busy"');
is(($answers{busy} // 0) + ($answers{ack} // 0), 200, 'all else with an ack');

$ann->close();
$redis->start();
$redis->do('XGROUP', 'CREATE', 'told', 'workers', '0', 'MKSTREAM');

my %told;
wait_for(sub {
    my $answer = $redis->do(qw/ XREADGROUP GROUP workers one COUNT 1000
                                STREAMS told > /);

    for my $entry (@{$answer ? $answer->[0][1] : []}) {
        my %field = @{$entry->[1]};
        $told{$field{kind}}++;
    }

    return ($told{message} // 0) >= $answers{ack} && $told{disconnect};
}, 15);

is($told{message}, $answers{ack}, 'what had an ack is in the stream');
is($told{disconnect}, 1, 'and the end of a client, which found room');

###############################################################################


# The clients whose end was told.
sub ends {
    my ($t) = @_;
    my %ends = map { $_->{connectionId} => 1 } told($t, 8081);

    return scalar keys %ends;
}
