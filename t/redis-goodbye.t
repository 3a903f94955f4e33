#!/usr/bin/perl

# A server that is stopped says goodbye to the others of its hub; one that is
# reloaded or upgraded does not part with anybody.

use warnings;
use strict;

use JSON::PP qw/ decode_json /;
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
    ->has_daemon('redis-server'))->plan(19);

my $redis = redis($t);

$t->write_file('secret', '0123456789abcdef' x 2);

my ($a, $b) = servers($t, 2, <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon on;
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
        drain     3s;
        presence  memory ttl=1m leave=2s tick=10ms;
        redis     redis://127.0.0.1:8379 secret=file:%%FIRST%%/secret;
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

my ($ann, $bob) = (come($a, 'ann'), come($b, 'bob'));

ok(sees($a, 'ann bob') && sees($b, 'ann bob'), 'two servers see each other');

# a reload

reload_workers($b);
$bob = again($b, $bob);
is(left($ann), '', 'one is reloaded, and nobody has left');

# an upgrade

my $old = $b->read_file('nginx.pid') + 0;

kill 'USR2', $old;
ok(wait_for(sub {
    -s $b->testdir() . '/nginx.pid.oldbin'
    && (eval { $b->read_file('nginx.pid') } || $old) != $old
    && (health($a))[1]{servers} == 3;
}, 15), 'a new binary is another server of the hub');
kill 'QUIT', $old;
$bob = again($b, $bob);
ok(wait_gone([ $old ], 20), 'the one before it ends');
ok(wait_for(sub { (health($a))[1]{servers} == 2 }), 'and says so');
ok(sees($a, 'ann bob'), 'who was there comes to the next one');
is(left($ann), '', 'and has never left');

# stopped, gracefully and at once

for my $signal ('QUIT', 'TERM') {
    my $master = $b->read_file('nginx.pid') + 0;
    my $carl = come($b, 'carl');

    ok(sees($a, 'ann bob carl'), "there are more when $signal is sent");
    kill $signal, $master;
    $bob = again($a, $bob);
    ok(wait_gone([ $master ], 20), 'it ends');
    is(@{$redis->do('ZRANGE', '{conductor:h}:servers', 0, -1)}, 1,
        'Redis knows of it no more');
    ok(sees($a, 'ann bob'), 'who did not come elsewhere has left');
    is(left($ann, 1), 'carl', 'alone');

    next if $signal eq 'TERM';
    $b->run();
    ok(hub_is('connected', 10, $b), 'it is started again');
    $bob->close(1000);
    $bob = come($b, 'bob');
}

unlike($a->read_file('error.log'), qr/is gone, and/, 'nobody was missed');


sub come {
    my ($s, $user) = @_;
    my $ws = ws_connect($s, "/?user=$user");

    $ws->recv_until('presence-list');
    return $ws;
}


# A client whose server closes it, and comes again.
sub again {
    my ($s, $ws) = @_;

    $ws->expect_close();
    return come($s, 'bob');
}


sub sees {
    my ($s, $users) = @_;

    return wait_for(sub {
        $users eq join ' ', sort map { $_->{userId} }
                       @{(api($s, 'GET', '/presence'))[1]{reviewers} // []};
    });
}


# Who has left since, as a client was told; so many are waited for, as HTTP may
# know before the client's worker has told.
sub left {
    my ($ws, $n) = @_;
    my @left;

    wait_for(sub {
        push @left, map { $_->{userId} }
                    grep { $_->{type} eq 'presence-update'
                           && $_->{status} eq 'offline' }
                    map { decode_json($_) } @{$ws->sync()};
        return @left >= ($n // 0);
    });

    return join ' ', @left;
}
