#!/usr/bin/perl

# Refusals that a browser can see: conductor_refuse close.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(47);

my $conf = <<'CONF';

%%TEST_GLOBALS%%

error_log %%TESTDIR%%/info.log info;

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    log_format  outcome  '$uri|$status|$conductor_connection|$conductor_status';
    access_log  %%TESTDIR%%/outcome.log  outcome;

    conductor_hub h {
        zone 4m;
        history events=1000 size=256k;
        drain 1s;
        channel c { default on; }
        event e { channel c; }
    }

    conductor_hub full {
        zone 2m;
        history events=1000 size=64k;
        channel c { default on; }
    }

    conductor_refuse close;

    server {
        listen 127.0.0.1:8080;
        conductor_limit_conn off;
        conductor_jwt_key HS256 'the secret, which is 32 octets or longer';
        conductor_origins https://app.example.com;

        location / { conductor h; }
        location /role { conductor h; conductor_require_role admin; }
        location /http { conductor h; conductor_refuse http; }
        location /cookie { conductor h; conductor_token $cookie_token; }
        location /denied { conductor h; deny all; }
        location /one {
            conductor h;
            conductor_auth off;
            conductor_limit_conn 1 key=one;
        }
        location /full {
            conductor full;
            conductor_auth off;
        }
        location /echo {
            conductor h;
            conductor_protocol echo;
            conductor_compress on;
        }
        location /health { conductor_health h; }
        location /publish { conductor_publish h; conductor_auth off; }
    }
}

CONF

# what the zone of "full" holds beyond a few clients goes to its history

my ($all, $each) = (nginx_t($t, $conf))[1]
    =~ /hub "full": .* holds (\d+) connections .* (\d+)$/m;
my $size = 64 + int(($all - 24) * $each / 1024);

$conf =~ s/size=64k/size=${size}k/;

$t->write_file_expand('nginx.conf', conductor_conf($conf));
$t->run();

my $app = 'https://app.example.com';
my $expired = token(exp => time() - 1);

###############################################################################

# with an origin

my $ws = ws_connect($t, '/', origin => $app, protocols => 'conductor.v1',
    extensions => 'permessage-deflate');
is($ws->status(), 101, 'without a token there is a handshake');
ok($ws->is_open(), 'a right one');
is($ws->header('Sec-WebSocket-Protocol'), 'conductor.v1',
    'with the protocol, without which a browser would fail');
is($ws->header('WWW-Authenticate'), undef, 'and without a challenge');
is_deeply([ $ws->expect_close(5) ], [ 4401, 'bad_token', 1 ],
    'then the close code, and the end of TCP');
is_deeply($ws->skipped(), [], 'and no message before it');
is_deeply([ $ws->faults() ], [], 'all by the RFC');

is_deeply([ closed($t, '/', origin => $app, token => $expired) ],
    [ 4401, 'token_expired' ], 'an expired token');
is_deeply([ closed($t, '/', origin => $app, token => 'x') ],
    [ 4401, 'bad_token' ], 'a bad token');
is_deeply([ closed($t, '/', origin => $app,
                   protocols => [ 'conductor.v1', "bearer.$expired" ]) ],
    [ 4401, 'token_expired' ], 'an expired token in the subprotocol');
is_deeply([ closed($t, '/', origin => 'https://evil.com', token => token()) ],
    [ 4503, 'bad_origin' ], 'a foreign origin');
is_deeply([ closed($t, '/', origin => 'rubbish', token => token()) ],
    [ 4503, 'bad_origin' ], 'an origin that is none');
is_deeply([ closed($t, '/role', origin => $app, token => token()) ],
    [ 4503, 'bad_role' ], 'a role that is not allowed');
is_deeply([ closed($t, '/echo', origin => $app) ], [ 4401, 'bad_token' ],
    'an echo');

my $first = ws_connect($t, '/one', origin => $app);
$first->recv_until('welcome');
my ($code, $reason) = closed($t, '/one', origin => $app);
is($code, 4429, 'one connection too many');
like($reason, qr/^retry=[1-9]\d*$/, 'with the time to come back after');
is($first->command({ type => 'ping' })->{type}, 'pong',
    'the one before it lives');

###############################################################################

# without

is(http_refusal($t, '/'), '401 bad_token', 'no origin: no token');
is(http_refusal($t, '/', token => $expired), '401 token_expired',
    'an expired one');
is(http_refusal($t, '/role', token => token()), '403 bad_role', 'a role');
is(http_refusal($t, '/cookie', headers => [ 'Cookie: token=' . token() ]),
    '403 bad_origin', 'a token by cookie');
is(http_refusal($t, '/one'), '429 address_limit', 'one too many');
like(ws_connect($t, '/one')->header('Retry-After') // '', qr/^[1-9]\d*$/,
    'with the seconds to come back after');
is(http_refusal($t, '/http', origin => $app), '401 bad_token',
    'an origin where it is not asked for');

# what is no handshake stays HTTP

for my $case ([ '426 bad_version', version => 12 ],
              [ '426 no_upgrade', upgrade => undef ],
              [ '400 bad_connection', connection => 'close' ],
              [ '400 bad_key', key => 'short' ],
              [ '400 bad_method', method => 'POST' ],
              [ '400 bad_subprotocol', protocols => ',' ],
              [ '400 bad_body', headers => [ 'Content-Length: 1' ],
                body => 'x' ])
{
    my ($answer, %opt) = @$case;
    is(http_refusal($t, '/', origin => $app, %opt), $answer,
        "an error of the handshake stays one: $answer");
}

is(ws_connect($t, '/denied', origin => $app, token => token())->status(), 403,
    'what another module refuses stays its own');

###############################################################################

# what a refused client can do

$ws = ws_connect($t, '/', origin => $app,
    body => frame(1, '{"type":"ping","id":1}') . frame(9, 'x'));
is_deeply([ $ws->expect_close(5) ], [ 4401, 'bad_token', 1 ],
    'frames behind the handshake are not answered');
is_deeply($ws->skipped(), [], 'with no message');
is_deeply($ws->pongs(), [], 'nor a pong');

$ws = ws_connect($t, '/', origin => $app);
is_deeply([ $ws->expect_close(5, reply => 0) ], [ 4401, 'bad_token', 1 ],
    'one that never answers the close is ended all the same');

$ws = ws_connect($t, '/', origin => $app);
publish($t, { type => 'e', n => 1 });
$ws->expect_close(5);
is_deeply($ws->skipped(), [], 'no event reaches a refused client');

my @many = map { ws_connect($t, '/', origin => $app) } 1 .. 20;
is((health($t))[1]{connections}, 1, 'refused clients count for nothing');
is(scalar(grep { ($_->expect_close(5))[0] == 4401 } @many), 20,
    'twenty at once');

$ws = ws_connect($t, '/', origin => $app, token => token());
is($ws->recv_until('welcome')->{userId}, 'ann', 'who may come in comes in');

###############################################################################

# a full zone

my (@inside, $refused);

for (1 .. 3000) {
    my $ws = ws_connect($t, '/full', origin => $app);
    my $frame = $ws->recv_frame();

    if ($frame->{opcode} == 8) {
        $refused = $frame->{payload};
        last;
    }

    push @inside, $ws;
}

is(unpack('n', $refused // ''), 1013, 'a full hub');
like(substr($refused // '', 2), qr/^retry=[1-9]\d*$/,
    'says when to come back');
is(http_refusal($t, '/full'), '503 zone_full', 'over HTTP, too');

@inside = ();

###############################################################################

wait_for(sub { $t->read_file('outcome.log') =~ m!^/role\|101!m });
my $outcome = $t->read_file('outcome.log');

like($outcome, qr!^/role\|101\|-\|bad_role$!m,
    'the access log has the 101, the reason and no connection');
like($outcome, qr!^/role\|403\|-\|bad_role$!m, 'or the 403');

my $log = $t->read_file('info.log');
my $n = () = $log =~ /handshake refused: bad_role, /g;
is($n, 2, 'each is logged once');
unlike($log, qr/\Q$expired\E/, 'without the token');

###############################################################################

sub token {
    return jwt({ sub => 'ann', @_ },
               key => 'the secret, which is 32 octets or longer');
}


# Code and reason of the close that follows a handshake.
sub closed {
    my ($t, $path, %opt) = @_;
    my $ws = ws_connect($t, $path, %opt);

    return 'status ' . ($ws->status() // $ws->error()) unless $ws->is_open();
    return ($ws->expect_close(5))[0, 1];
}


# "STATUS CODE" of a refused handshake.
sub http_refusal {
    my ($t, $path, %opt) = @_;
    my $ws = ws_connect($t, $path, %opt);

    return ($ws->status() // $ws->error()) . ' '
           . (($ws->body_json() || {})->{code} // '-');
}
