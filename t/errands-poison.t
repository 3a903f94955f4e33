#!/usr/bin/perl

# What a back end does not take, of one client, holds up no other client.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /))->plan(8);

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
        channel presence:updates { default on; }
    }

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor h;
            conductor_identity user=$arg_user role=reviewer;
            conductor_backend /backend disconnect presence;
            conductor_limit_messages off;
            conductor_limit_conn off;
        }

        location = /metrics {
            conductor_metrics h format=prometheus;
        }

        location = /backend {
            internal;
            proxy_pass http://127.0.0.1:8081;
        }
    }
}

EOF_CONF

told($t, 8081);
$t->run();

###############################################################################

tell_back($t, 8081, 200, 'bad', 500);

my $bad = come($t, 'bad');
say_so($bad->{ws}, 100);

is(told_of($t, leave(come($t, 'ann'))), 1,
    'a client that the back end fails for holds up no other one');

say_so($_->{ws}, 5) for map { come($t, 'bad') } 1 .. 12;
wait_for(sub { figure($t, 'retries_total') > 14 });

is(told_of($t, leave(come($t, 'bob'))), 1, 'nor do many of them');
is(told_of($t, leave(come($t, 'cid'))), 1, 'also while it fails');
is(figure($t, 'dropped_total'), 0, 'and nothing is given up for that');

tell_back($t, 8081, 200, 'bad', 422);

is(told_of($t, leave(come($t, 'dan'))), 1, 'nor does one that is refused');
ok(wait_for(sub { figure($t, 'dropped_total') > 0 }),
    'what is refused again and again is given up');
is(scalar(() = $t->read_file('error.log') =~ /\[error\].*does not take/g), 1,
    'and all that is one line in the log');

tell_back($t, 8081, 200);

ok(wait_for(sub { told_of($t, $bad->{id}) > 50 }, 20),
    'the rest is told when the back end takes it');

###############################################################################


# A client comes.
sub come {
    my ($t, $user) = @_;
    my $ws = ws_connect($t, "/?user=$user");

    return { ws => $ws, id => $ws->recv_until('welcome')->{connectionId} };
}


# It goes; its id.
sub leave {
    my ($client) = @_;

    $client->{ws}->close();
    return $client->{id};
}


# It says so often what it does.
sub say_so {
    my ($ws, $n) = @_;

    $ws->send_json({ type => 'presence-update', status => 'away', id => $_,
                     currentFeature => "f-$_" }) for 1 .. $n;
    $ws->recv_until('ack') for 1 .. $n;
}


# How often the back end was told of a connection, when it was.
sub told_of {
    my ($t, $id) = @_;
    my $n;

    wait_for(sub {
        return $n = grep { $_->{connectionId} eq $id } told($t, 8081);
    }, 15);

    return $n;
}


# A figure of the hub's back ends.
sub figure {
    my ($t, $name) = @_;

    return ((api($t, 'GET', '/metrics'))[1]
        =~ /^conductor_backend_$name\{hub="h"\} (\d+)/m)[0];
}
