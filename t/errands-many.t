#!/usr/bin/perl

# Workers die with more clients than the outbox for back ends has room for.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Told;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /))->plan(5);

$t->todo_alerts(killed());

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
    worker_connections 1024;
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub s {
        zone      2140k;
        state     %%TESTDIR%%/state;
        presence  memory;
    }

    server {
        listen 127.0.0.1:8080;

        conductor_limit_conn off;
        conductor_limit_handshakes off;

        location /ws {
            conductor          s;
            conductor_identity user=$arg_user role=reviewer;
            conductor_limit_user off;
            conductor_backend  /slow disconnect presence;
        }

        location /ws/one {
            conductor          s;
            conductor_identity user=$arg_user role=reviewer;
            conductor_limit_user 1;
            conductor_backend  /slow disconnect presence;
        }

        location /slow { proxy_pass http://127.0.0.1:8081; }

        location /s { conductor_metrics s format=prometheus; }
    }
}

EOF_CONF

told($t, 8081);
$t->run();

# what lies there has half of the room, and what is left needs as much again

my $alone = come('/ws/one?user=alone');

$alone->command({ type => 'presence-update', status => 'away' });

my @there = crowd(1);

tell_slowly($t, 8081, 200, 0.005);
kill_workers();

my @told = heard();

my %ended = map { $_->{connectionId} => 1 }
    grep { $_->{kind} eq 'disconnect' } @told;

is(scalar(keys %ended), 631, 'what workers leave is told as there is room');
is(figure('conductor_backend_dropped_total'), 0, 'and nothing is dropped');
is(scalar(() = $t->read_file('error.log') =~ /outbox .* is full/g), 0,
    'nor had to be');

# what was lent to one who died is told again

my %seen;
is_deeply([ map { $_->{kind} }
            grep { $_->{userId} eq 'alone' && !$seen{$_->{id}}++ } @told ],
    [qw/ presence disconnect /], 'what a client had said is told before');
# the place of a client who is gone is not in the way of another

@there = crowd(0);
$alone = come('/ws/one?user=alone');

tell_slowly($t, 8081, 200, 0.02);
kill_workers();

ok(come('/ws/one?user=alone'), 'who is lost is not in the way of who comes');

###############################################################################


# The back end takes nothing of those who went, and nearly as many are there.
sub crowd {
    my ($others) = @_;

    tell_back($t, 8081, 503);

    come("/ws?user=u$_")->close() for 1 .. 340;
    wait_for(sub { figure('websocket_connections_total') == $others });

    return map { come("/ws?user=u$_") } 1 .. 290;
}


# As soon as the back end takes what it is told.
sub kill_workers {
    my $n = told($t, 8081);
    my @old = worker_pids($t);

    wait_for(sub { told($t, 8081) > $n }, 15);
    kill 'KILL', @old;
    wait_gone(\@old);
    wait_for(sub { worker_pids($t) == workers() });
}


# What the back end was told, when that is all.
sub heard {
    wait_for(sub {
        figure('websocket_connections_total') == 0
            && figure('conductor_backend_outbox_records') == 0
    }, 30);

    return told($t, 8081);
}


sub come {
    my ($uri) = @_;
    my $ws = ws_connect($t, $uri);

    return $ws->recv_until('welcome') && $ws;
}


sub figure {
    my ($name) = @_;

    return ((api($t, 'GET', '/s'))[1]
        =~ /^$name\{hub="s"[^}]*\} (\d+)/m)[0] // -1;
}
