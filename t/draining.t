#!/usr/bin/perl

# What comes to a worker that drains: handshakes are refused until it has
# gone, and what is published still arrives.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /))->plan(12);

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
        drain    1s;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth  off;

    server {
        listen 127.0.0.1:8080;

        location /close {
            conductor         h;
            conductor_refuse  close;
        }

        location /http     { conductor h; }
        location /publish  { conductor_publish h; }
        location /plain    { return 200 "plain\n"; }
    }
}

EOF_CONF

$t->run();

my ($http, $close) = map { begun($t, $_) } '/http', '/close';
my $event = '{"type":"e","n":1}';
my $publisher = begun($t, '/publish', "Content-Type: application/json\x0d\x0a"
    . 'Content-Length: ' . length($event) . "\x0d\x0a");
my $stays = ws_connect($t, '/http');
$stays->recv_until('welcome');

my @old = worker_pids($t);
ok(reload_workers($t), 'a reload');

my $new = ws_connect($t, '/http');
$new->recv_until('welcome');

$_->send_raw("\x0d\x0a") for $http, $close;
$_->handshake() for $http, $close;

is($http->status(), 503, 'a handshake that ends now is refused');
is($http->header('Retry-After'), 1, 'for a second');
is_deeply($http->body_json(), { code => 'draining',
    error => 'this server is going away' }, 'and told why');

is($close->status(), 101, 'or by a close');
my ($code, $reason) = $close->expect_close();
is($code, 1012, 'as others are at a reload');
is($reason, 'retry=1000', 'and told when to come back');

$publisher->send_raw("\x0d\x0a$event");
$publisher->handshake();
like($publisher->body(), qr/"accepted":1/, 'what is published there');
is($new->recv_until('e')->{n}, 1, 'arrives at a new worker');

is(($stays->expect_close())[0], 1012, 'its own clients are sent on');
ok(wait_gone(\@old), 'and it goes');
is_deeply([ map { $_->faults() } $close, $stays, $new ], [],
    'no client finds a fault');


# A request that lacks its last line end, behind one that was answered: nginx
# has begun to read it.
sub begun {
    my ($nginx, $path, $headers) = @_;

    my $first = "GET /plain HTTP/1.1\x0d\x0aHost: a\x0d\x0a\x0d\x0a";

    # the second begins where nginx's own parser is aligned

    $first =~ s/Host: a/'Host: a' . 'a' x (-length($first) % 4)/e;

    my @lines = defined $headers ? ("POST $path HTTP/1.1", 'Host: a')
        : ("GET $path HTTP/1.1", 'Host: localhost',
           'Origin: http://localhost', 'Upgrade: websocket',
           'Connection: Upgrade', 'Sec-WebSocket-Version: 13',
           'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==');

    my $ws = ws_connect($nginx, '', key => 'dGhlIHNhbXBsZSBub25jZQ==',
        raw_request => $first . join('', map { "$_\x0d\x0a" } @lines)
            . ($headers // ''));

    $ws->body() eq "plain\n" or die "no answer to the first request\n";
    return $ws;
}
