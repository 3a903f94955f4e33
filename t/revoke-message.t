#!/usr/bin/perl

# A message that a worker reads after a revocation, and before it has turned to
# the revocation itself, has no effect.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

use constant ROUNDS => 5;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl
                                                   rewrite /))
    ->has_daemon('openssl')->plan(2 * ROUNDS * 3 + 1);

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
        history  events=100 size=64k;

        channel c { default on; }
        event e { channel c; publish_roles r; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8443 ssl;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location / {
            conductor          h;
            conductor_identity user=$arg_user role=$arg_role;
            add_header         X-Worker $pid always;
        }

        location /publish { conductor_publish h; }
        location /admin   { conductor_admin h; }
        location /pid     { return 200 $pid; }
    }
}

EOF_CONF

certificate($t);

$t->run();

my $watch = ws_connect($t, '/?user=eve');
$watch->recv_until('welcome');

# The worker stands still while the revocation comes and then the message, so
# one turn of its loop brings both, in this order.

for my $ssl (0, 1) {
    for my $i (1 .. ROUNDS) {
        my $on = $ssl ? 'over TLS' : 'plain';
        my $ws = ws_connect($t, "/?user=u$ssl$i&role=r", ssl => $ssl);
        $ws->recv_until('welcome');

        my $worker = $ws->header('X-Worker');
        my $admin = admin($t, $worker);

        halt($worker);
        $admin->send_raw(request("u$ssl$i"));
        $ws->send_json({ type => 'publish', event => { type => 'e', n => 1 } });
        kill 'CONT', $worker;

        is(join(' ', $ws->expect_close()), '4500 revoked 1',
            "a user is revoked, $on");
        $admin->handshake();
        is($admin->status(), 200, 'by who came first');
        publish($t, { type => 'e', n => "end $i" });
        is($watch->recv_json()->{n}, "end $i",
            'and what she had sent right behind that has no effect');
    }
}

is_deeply([ $watch->faults() ], [], 'no client finds a fault');


# A connection to this worker, its first request answered.
sub admin {
    my ($nginx, $worker) = @_;

    for (1 .. 500) {
        my $client = ws_connect($nginx, '/', raw_request =>
            "GET /pid HTTP/1.1\x0d\x0aHost: localhost\x0d\x0a\x0d\x0a");

        return $client if $client->body() == $worker;
        $client->drop();
    }

    die "worker $worker takes no connection\n";
}


# Revokes a user for an hour.
sub request {
    my ($user) = @_;
    my $body = sprintf '{"user":"%s","until":%d}', $user,
                       (time() + 3600) * 1000;

    return "POST /admin/revocations HTTP/1.1\x0d\x0aHost: localhost\x0d\x0a"
           . "Content-Type: application/json\x0d\x0a"
           . 'Content-Length: ' . length($body) . "\x0d\x0a\x0d\x0a$body";
}


# A certificate of nobody.
sub certificate {
    my ($nginx) = @_;
    my $d = $nginx->testdir();

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
           . " -nodes -subj /CN=localhost -days 2 -keyout $d/key.pem"
           . " -out $d/cert.pem >/dev/null 2>&1") == 0
        or die "openssl failed\n";
}
