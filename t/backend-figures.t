#!/usr/bin/perl

# Calls of back ends and the clients that they cost are counted for what they
# were.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /))->plan(13);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone  4m;
    }

    server {
        listen 127.0.0.1:8080 reuseport;

        conductor_auth off;
        conductor_limit_messages off;

        location /ws/said    { conductor h; conductor_backend /back; }
        location /ws/raw     { conductor h; conductor_backend /raw; }
        location /ws/fails   { conductor h;
                               conductor_backend /fails connect; }
        location /ws/late    { conductor h; conductor_backend /late connect;
                               conductor_backend_timeout 200ms; }
        location /ws/refused { conductor h;
                               conductor_backend /refused connect; }

        location = /back    { proxy_pass http://127.0.0.1:8082; }
        location = /raw     { proxy_pass http://127.0.0.1:8082;
                              proxy_buffering off; }
        location = /fails   { return 500; }
        location = /late    { proxy_pass http://127.0.0.1:8083; }
        location = /refused { proxy_pass http://127.0.0.1:8084; }

        location /metrics { conductor_metrics h format=prometheus; }
    }
}

EOF_CONF

backend($t, 8082);
backend($t, 8083, connect => { delay => 30 });
backend($t, 8084, connect => { answer => { close => 4242 } });
$t->run();

# answers

my $long = { ack => 'x' x 20000 };

for my $uri (qw{ /ws/said /ws/raw }) {
    is(outcomes($uri, { answer => $long }), 'too_big',
        "an answer that is too long is counted as that, $uri");
    is(outcomes($uri, { answer => $long, chunked => 1 }), 'too_big',
        'in chunks, too');
    is(outcomes($uri, { answer => '{}' . ' ' x 100, drop => 2 }), 'failed',
        'but not one that is cut off');
    is(outcomes($uri, { answer => '[]' }), 'invalid', 'or is of no use');
}

# clients

is(reasons('/ws/fails'), 'backend_failed 1013',
    'who is not let in as the back end failed is counted as that');
is(reasons('/ws/late'), 'backend_failed 1013', 'or did not answer in time');
is(reasons('/ws/refused'), 'backend 4242', 'and whom it did not let in');
is(reasons('/ws/said', { answer => { close => 1000 } }), 'backend 1000',
    'or sent away');
is(reasons('/ws/said', { answer => $long }, 1), 'normal 1000',
    'but not who leaves');

###############################################################################


# What a call counts as.
sub outcomes {
    my ($uri, $do) = @_;
    my $before = figures('conductor_backend_calls_total');
    my $ws = ws_connect($t, $uri);

    $ws->recv_until('welcome');
    $ws->command({ type => 'agent:a', do => $do });

    return more('conductor_backend_calls_total', $before);
}


# What a client ends with that says so, and that leaves by itself if it is to.
sub reasons {
    my ($uri, $do, $leaves) = @_;
    my $before = figures('websocket_disconnections_total');
    my $ws = ws_connect($t, $uri);
    my $code = 1000;

    $ws->send_json({ type => 'agent:a', do => $do }) if $do;

    if ($leaves) {
        $ws->close(1000);

    } else {
        ($code) = $ws->expect_close();
    }

    return more('websocket_disconnections_total', $before) . " $code";
}


sub figures {
    my ($family) = @_;
    my ($status, $text) = api($t, 'GET', '/metrics');

    return { $text =~ /^$family\{hub="h",\w+="(\w+)"\} (\d+)/mg };
}


# What is more than it was, when something is.
sub more {
    my ($family, $before) = @_;
    my @more;

    wait_for(sub {
        my $now = figures($family);
        return @more = grep { $now->{$_} > ($before->{$_} // 0) }
                       sort keys %$now;
    });

    return "@more";
}
