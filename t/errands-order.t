#!/usr/bin/perl

# "disconnect" is the last that a back end hears of a client: it waits for
# what the client had said before, but not for ever, and is not lost meanwhile.
# And such calls are like all others of the back end.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Backend;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /))->plan(17);

$t->todo_alerts(killed());

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone   8m;
        state  %%TESTDIR%%/state;
        drain  500ms;
    }

    server {
        listen 127.0.0.1:8080 reuseport;

        conductor_auth off;
        conductor_limit_conn off;

        location /ws/all   { conductor h; conductor_backend /back connect message
                                                         disconnect; }
        location /ws/said  { conductor h; conductor_backend /back message
                                                         disconnect; }
        location /ws/gone  { conductor h; conductor_backend /back disconnect; }
        location /ws/soon  { conductor h; conductor_backend /soon message
                                                         disconnect;
                          conductor_backend_timeout 1s; }
        location /ws/one   { conductor h; conductor_backend /one message
                                                         disconnect;
                          conductor_backend_concurrency 1;
                          conductor_backend_timeout 1s; }

        location /ws/hang { conductor h; conductor_backend /hang message
                                                          disconnect; }

        location = /back { proxy_pass http://127.0.0.1:8082; }
        location = /soon { proxy_pass http://127.0.0.1:8083; }
        location = /one  { proxy_pass http://127.0.0.1:8084;
                           proxy_set_header X-Real-IP $remote_addr; }

        location = /hang { proxy_pass http://127.0.0.1:8086; }

        location /metrics { conductor_metrics h format=prometheus; }
    }

    server {
        listen 127.0.0.1:8085;

        location / {
            proxy_pass http://127.0.0.1:8080;
            proxy_bind 127.0.0.9;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
            proxy_set_header Sec-WebSocket-Protocol conductor.v1;
        }
    }
}

EOF_CONF

backend($t, 8082, connect => { delay => 0.5 });
backend($t, 8083);
backend($t, 8084);
backend($t, 8086, disconnect => { delay => 60 });
$t->run();
wait_for(sub { worker_pids($t) == workers() });

# what a client has said

my ($ws, $id) = come('/ws/said');
say_so($ws, map { { n => $_, do => { delay => 0.1 } } } 1 .. 5);
heard(8082, $id, 1);
$ws->reset();

my @heard = heard(8082, $id, 6);
is_deeply([ map { $_->{message}{n} // $_->{kind} } @heard ],
    [ 1 .. 5, 'disconnect' ], 'a back end hears last that a client has gone');
cmp_ok($heard[5]{at}, '>', $heard[4]{at} + 0.09,
    'when it has answered what was said before');

$ws = ws_connect($t, '/ws/all');
wait_for(sub { ($id) = map { $_->{body}{connectionId} }
    grep { $_->{body}{kind} eq 'connect' } asked($t, 8082) });
$ws->reset();

@heard = heard(8082, $id, 2);
is_deeply([ map { $_->{kind} } @heard ], [ qw/ connect disconnect / ],
    'also of a client that it had not let in yet');
cmp_ok($heard[1]{at}, '>', $heard[0]{at} + 0.49, 'and was asked about');

# not for ever

($ws, $id) = come('/ws/soon');
say_so($ws, map { { n => $_, do => { delay => 0.9 } } } 1 .. 12);
heard(8083, $id, 1);
$ws->close();

wait_for(sub { grep { $_->{kind} eq 'disconnect' } heard(8083, $id) });
@heard = heard(8083, $id);
is($heard[-1]{kind}, 'disconnect', 'it waits no longer than a call may take');
cmp_ok(scalar(@heard), '<', 12, 'and the rest is not told any more');

# those who wait harm nobody

my @slow = map { my ($ws, $id) = come('/ws/said');
                 say_so($ws, { do => { delay => 30 } });
                 heard(8082, $id, 1);
                 $ws->close(); $id } 1 .. 10;
wait_for(sub { figure('outbox_records') == 10 });

($ws, $id) = come('/ws/gone');
$ws->close();
is(scalar(heard(8082, $id, 1)), 1, 'nobody waits for another one\'s');
is(scalar(grep { heard(8082, $_) > 1 } @slow), 0,
    'and those do wait');

# crashes

ok(wait_for(sub { kept(@slow) == 10 }), 'they are on disk meanwhile');

kill 'KILL', keeper_pid($t);
kill 'KILL', worker_pids($t);
@heard = map { (heard(8082, $_, 2))[1] } @slow;

is(scalar(grep { $_ && $_->{kind} eq 'disconnect' } @heard), 10,
    'when their worker dies, they are told');
is(scalar(grep { $_ && $_->{reason} eq 'no_status' } @heard), 10,
    'as it was');
ok(wait_for(sub { figure('outbox_records') == 0 }), 'and nothing is left');

# as all other calls

($ws, $id) = come('/ws/one');
say_so($ws, { do => { delay => 0.3 } });
heard(8084, $id, 1);
$_->[0]->close() for map { [ come('/ws/one') ] } 1 .. 4;
wait_for(sub { (() = grep { $_->{kind} eq 'disconnect' } heard(8084)) == 4 });
is((sort { $b <=> $a } map { $_->{inflight} } asked($t, 8084))[0], 1,
    'there are no more at a time than are configured');

$ws = ws_connect(port(8085), '/ws/one');
$id = $ws->recv_until('welcome')->{connectionId};
say_so($ws, {});
heard(8084, $id, 1);
$ws->close();
heard(8084, $id, 2);
is_deeply([ map { $_->{headers}{'x-real-ip'} }
            grep { $_->{body}{connectionId} eq $id } asked($t, 8084) ],
    [ ('127.0.0.9') x 2 ], 'the location knows the client\'s address');

# a worker that ends

($ws, $id) = come('/ws/hang');
$ws->close();
heard(8086, $id, 1);

($ws, my $other) = come('/ws/hang');
say_so($ws, { do => { delay => 60 } });
heard(8086, $other, 1);
$ws->close();

ok(scalar(reload_workers($t, 20)),
    'a back end that hangs does not hold up a worker that ends');
is((heard(8086, $id, 2))[1]{kind}, 'disconnect',
    'another one takes over what must not be lost');
is((heard(8086, $other, 2))[1]{kind}, 'disconnect',
    'also of a client whose message was given up');

###############################################################################


# A client comes; with its id.
sub come {
    my ($uri) = @_;
    my $ws = ws_connect($t, $uri);

    return ($ws, $ws->recv_until('welcome')->{connectionId});
}


sub say_so {
    my ($ws, @messages) = @_;

    $ws->send_json({ type => 'agent:a', %$_ }) for @messages;
    $ws->sync();
}


# What a back end was told, of a connection, and when; once it is so much.
sub heard {
    my ($port, $id, $n) = @_;
    my @heard;

    wait_for(sub {
        @heard = map { { %{$_->{body}}, at => $_->{at} } }
            grep { !$id || $_->{body}{connectionId} eq $id } asked($t, $port);
        return @heard >= ($n // 0);
    }, 15);

    return @heard;
}


# How many of these connections are on disk.
sub kept {
    my (@ids) = @_;
    my $dir = $t->testdir() . '/state';

    opendir my $d, $dir or return 0;
    my $all = join '', map { eval { $t->read_file("state/$_") } // '' }
                       grep { /^errands\./ } readdir $d;

    return scalar grep { $all =~ /"connectionId":"\Q$_\E"/ } @ids;
}


sub figure {
    my ($name) = @_;

    return ((api($t, 'GET', '/metrics'))[1]
        =~ /^conductor_backend_$name\{hub="h"\} (\d+)/m)[0] // -1;
}
