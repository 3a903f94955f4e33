#!/usr/bin/perl

# Draining a server without stopping it, and taking that back.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(30);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 4m;
        name one;
        history size=256k;
        drain 1s;
        channel c { default on; }
        event e { channel c; }
    }

    conductor_hub slow {
        zone 2m;
        history size=64k;
        drain 1h;
    }

    conductor_limit_conn off;
    conductor_auth off;

    server {
        listen 127.0.0.1:8080;

        location /            { conductor h; }
        location /publish     { conductor_publish h; }
        location /health      { conductor_health h; }
        location /admin       { conductor_admin h; }
        location /slow/       { conductor slow; }
        location /slow/admin  { conductor_admin slow; }
    }
}

EOF_CONF

$t->run();

###############################################################################

my @all = map { client($t, '/') } 1 .. 12;
my $slow = client($t, '/slow/');

my ($code, $said) = api($t, 'POST', '/admin/drain');
is($code, 200, 'the server is told to drain');
is_deeply($said, { server => 'one', draining => JSON::PP::true,
                   connections => 12 }, 'and says what it has to do');

my $ws = ws_connect($t, '/');
is($ws->status(), 503, 'it takes no new clients');
is($ws->body_json()->{code}, 'draining', 'says why');
like($ws->header('Retry-After'), qr/^[1-9]\d*$/, 'and when to come');
is((health($t, path => '/health?figures=1'))[1]{figures}{refused}{draining}, 1,
    'which is counted');
is((health($t, probe => 'ready'))[0], 503, 'it is not ready');
is((health($t, probe => 'ready'))[1]{reason}, 'draining', 'for that reason');
ok((health($t))[1]{draining}, 'which health says, too');
is((health($t, probe => 'live'))[0], 200, 'but alive');
is((publish($t, { type => 'e', n => 1 }))[0], 200, 'events are accepted');

my @closed = map { [ $_->expect_close() ] } @all;
is(scalar(grep { $_->[0] == 1012 && $_->[1] =~ /^retry=\d+$/ && $_->[2] }
          @closed), 12, 'all clients are sent away, as by a reload');

is((api($t, 'POST', '/admin/drain', body => '{"server":"one"}'))[0], 200,
    'once more changes nothing');
is((api($t, 'POST', '/admin/drain', body => '{"server":"two"}'))[0], 404,
    'another server is not known');

is($slow->command({ type => 'ping' })->{type}, 'pong',
    'another hub is not concerned');

# It survives a reload.

ok(reload_workers($t), 'reloaded');
is(ws_connect($t, '/')->status(), 503, 'it drains still');
is((health($t, probe => 'ready'))[0], 503, 'and is not ready');

is((api($t, 'DELETE', '/admin/drain'))[1]{draining}, JSON::PP::false,
    'the drain is taken back');
is((health($t, probe => 'ready'))[0], 200, 'it is ready');
ok(!(health($t))[1]{draining}, 'and drains no more');
is(ws_connect($t, '/')->status(), 101, 'and takes clients');

# Taken back while clients wait for their turn.

$slow->drop();
my @slow = map { client($t, '/slow/') } 1 .. 8;

api($t, 'POST', '/slow/admin/drain');
is(scalar(grep { $_->sync() } @slow), 8, 'clients stay for their time');
api($t, 'DELETE', '/slow/admin/drain');
is(ws_connect($t, '/slow/')->status(), 101, 'new ones join them');
api($t, 'POST', '/slow/admin/drain') for 1 .. 2;
is(ws_connect($t, '/slow/')->status(), 503, 'or not');
is(scalar(grep { $_->sync() } @slow), 8, 'whatever is said in between');

# A restart ends it.

api($t, 'POST', '/admin/drain');
is((health($t, probe => 'ready'))[0], 503, 'a server that drains');
$_->drop() for @slow;
$t->stop();
$t->run();
is((health($t, probe => 'ready'))[0], 200, 'is ready after a restart');

# A hub without a time to drain; a session that is just beginning.

$t->write_file('nginx.conf', $t->read_file('nginx.conf') =~ s/drain 1s/drain 0s/r);
ok(reload_workers($t), 'reloaded without a time to drain');
@all = map { client($t, '/') } 1 .. 6;
api($t, 'POST', '/admin/drain');
is(scalar(grep { ($_->expect_close())[0] == 1012 } @all), 6,
    'all go at once');

###############################################################################

sub client {
    my ($t, $path) = @_;
    my $ws = ws_connect($t, $path);

    $ws->recv_until('welcome');
    return $ws;
}
