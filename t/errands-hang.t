#!/usr/bin/perl

# Back ends that hang take nothing from one that is well.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /))->plan(2);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone   16m;
        state  %%TESTDIR%%/state;
    }

    server {
        listen 127.0.0.1:8080;

        conductor_auth off;
        conductor_limit_conn off;
        conductor_limit_handshakes off;

        location /ws/1 { conductor h; conductor_backend /hang1 disconnect; }
        location /ws/2 { conductor h; conductor_backend /hang2 disconnect; }
        location /ws/3 { conductor h; conductor_backend /hang3 disconnect; }
        location /ws/4 { conductor h; conductor_backend /hang4 disconnect; }
        location /ws/5 { conductor h; conductor_backend /hang5 disconnect; }
        location /ws/6 { conductor h; conductor_backend /hang6 disconnect; }
        location /ws/7 { conductor h; conductor_backend /hang7 disconnect; }
        location /ws/8 { conductor h; conductor_backend /well disconnect; }

        location /hang { proxy_pass http://127.0.0.1:8081; }
        location /well { proxy_pass http://127.0.0.1:8082; }

        location /h { conductor_metrics h format=prometheus; }
    }
}

EOF_CONF

told($t, $_) for 8081, 8082;
tell_back($t, 8081, 0);
$t->run();

for my $n (1 .. 7) {
    $_->close() for map { come("/ws/$n") } 1 .. 10;
}

wait_for(sub { calls('h') == 7 * 8 });

come('/ws/8')->close();
ok(wait_for(sub { told($t, 8082) == 1 }, 15),
    'seven back ends that hang hold up no other one');
is(calls('h'), 7 * 8, 'while they hang');

###############################################################################


sub come {
    my ($uri) = @_;
    my $ws = ws_connect($t, $uri);

    $ws->recv_until('welcome');
    return $ws;
}


sub calls {
    my ($hub) = @_;

    return figure($hub, 'backend_calls_active');
}


sub figure {
    my ($hub, $name) = @_;

    return ((api($t, 'GET', "/$hub"))[1]
        =~ /^conductor_$name\{hub="$hub"[^}]*\} (\d+)/m)[0] // -1;
}
