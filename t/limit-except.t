#!/usr/bin/perl

# Endpoints inside "limit_except" and "if", which are the same location.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http access rewrite proxy /))
    ->plan(9);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        history  events=1000 size=1m;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth off;

    server {
        listen 127.0.0.1:8080;

        location /socket {
            conductor h;
            limit_except POST { allow 127.0.0.1; deny all; }
        }

        location /publish {
            conductor_publish h;
            limit_except OPTIONS { allow 127.0.0.1; deny all; }
        }

        location /nobody {
            conductor_publish h;
            limit_except OPTIONS { deny all; }
        }

        location /health {
            conductor_health h;

            if ($arg_probe) {
                add_header X-Probe $arg_probe;
            }
        }

        location /except {
            conductor_health h;
            limit_except POST { allow all; }
        }

        location /either {
            proxy_pass http://127.0.0.1:8081;
            conductor h optional;
        }
    }

    server {
        listen 127.0.0.1:8081;

        location / { return 200 "proxied\n"; }
    }
}

EOF_CONF

$t->run();

my $ws = ws_connect($t, '/socket');
is($ws->recv_json()->{type}, 'welcome', 'a client connects');

is((publish($t, { type => 'e', n => 1 }))[0], 200, 'an event is accepted');
is($ws->recv_until('e')->{n}, 1, 'and arrives');
is((publish($t, { type => 'e', n => 2 }, path => '/nobody'))[0], 403,
    'who is not allowed to publish is refused');

is((health($t, path => '/except'))[1]{status}, 'ok', 'the health is told');

my ($status, undef, $head) = health($t, probe => 'ready');
is($status, 200, 'in an "if", too');
like($head, qr/X-Probe: ready/, 'with the header of the block it matches');

is((api($t, 'GET', '/either'))[1], "proxied\n",
    'what asks for no socket goes where the location says');
is(ws_connect($t, '/either')->recv_json()->{type}, 'welcome',
    'a handshake does not');
