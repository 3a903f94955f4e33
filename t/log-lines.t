#!/usr/bin/perl

# The error log: one line for each cause, with hub, client, user and connection,
# none for a message, and each stage of a message's way at the level "debug".

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $secret = 'the secret, which is 32 octets or longer';

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /));

$t->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

error_log info.log info;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    4m;
        history events=10000 size=1m;
        channel c { default on; }
        channel s { roles admin; }
        event   e { channel c; publish_roles writer; }
    }

    conductor_jwt_key        HS256 "$secret";
    conductor_limit_messages off;

    server {
        listen 127.0.0.1:8080 sndbuf=8k;

        location /        { conductor h; conductor_token \$arg_token; }
        location /admins  { conductor h; conductor_require_role admin; }
        location /close   { conductor h; conductor_refuse close; }
        location /few     { conductor h; conductor_limit_messages 1 per=1h; }
        location /flood   { conductor h;
                            conductor_limit_messages 1 per=1h close_after=1; }
        location /small   { conductor h; conductor_max_message 1k; }
        location /idle    { conductor h; conductor_idle_timeout 100ms; }
        location /ping    { conductor h; conductor_ping 100ms timeout=100ms; }
        location /slow    { conductor h; conductor_max_queue 64k; }
        location /publish { conductor_publish h; }
        location /admin   { conductor_admin h; conductor_require_role admin; }

        location /debug   { conductor h; error_log debug.log debug; }
    }
}

EOF_CONF

$t->plan(42);
$t->run();

my $at = 0;

# handshakes

ws_connect($t, '/');
told(qr/\[info\].*refused: bad_token: no token, hub: "h", client: 127/,
    'a handshake without a token');
ws_connect($t, '/admins', token => token('bob'));
told(qr/\[info\].*refused: bad_role, hub: "h", user: "bob", client: 127.*GET/,
    'one of the wrong role, which has a user');
ws_connect($t, '/close', origin => 'http://localhost')->expect_close();
told(qr/\[info\].*refused: bad_token: no token, hub: "h", client: 127/,
    'one that is refused with a close code');
ws_connect($t, '/?token=' . jwt({ sub => 'x', exp => 1 }, key => $secret));
told(qr/\[info\].*refused: token_expired: token expired, hub: "h", client/,
    'an old one');

# requests

publish($t, { type => 'e' });
told(qr/\[info\].*access refused: no token, hub: "h", client: 127/,
    'a publication without a token');
api($t, 'POST', '/admin/drain', token => token('bob', role => "x\"y"));
told(qr/\[info\].*: role "x\\x22y" is not allowed, hub: "h", user: "bob", cl/,
    'a request of the wrong role');
api($t, 'POST', '/admin/notifications', body => '{"message":"m"}',
    token => token('root', role => 'admin'));
api($t, 'POST', '/admin/revocations', token => token('root', role => 'admin'),
    body => '{"user":"nobody","until":' . (time() + 3600) * 1000 . '}');
told(qr/\[notice\].*an administrator revoked user "nobody", hub: "h", client/,
    'what an administrator does');

# connections, each of which also ends

my $ws = client('ann');
$ws->close(1000);
ended(qr/closing with 1000/, 'normal', 'a client that goes');

$ws = client('ann');
$ws->reset();
ended(undef, 'abnormal', 'one that is cut off');

$ws = client('ann');
$ws->send_frame(1, 'x', mask => 0);
$ws->expect_close();
ended(qr/closing with 1002: [^,]+/, 'protocol_error', 'a wrong frame');

$ws = client('ann');
$ws->send_frame(1, "\xff");
$ws->expect_close();
ended(qr/closing with 1007: [^,]+/, 'invalid_data', 'wrong text');

$ws = client('ann', '/small');
$ws->send_text('x' x 2000);
$ws->expect_close();
ended(qr/closing with 1009: [^,]+/, 'too_big', 'a message that is too large');

$ws = client('ann', '/', exp => time() + 2);
$ws->expect_close();
ended(qr/closing with 4401: token expired/, 'token_expired', 'an old token');

$ws = client('ann', '/idle');
$ws->expect_close();
ended(qr/closing with 4408: idle/, 'idle', 'one that is silent');

$ws = client('ann', '/ping', pong => 0);
$ws->expect_close();
ended(qr/a ping was not answered in 100 ms/, 'abnormal', 'one that is deaf');

$ws = client('ann', '/flood');
$ws->send_text('{"type":"ping"}') for 1 .. 2;
$ws->expect_close();
ended(qr/closing with 4429: retry=\d+/, 'flooding', 'one that floods');

$ws = client('eve');
api($t, 'POST', '/admin/revocations', token => token('root', role => 'admin'),
    body => '{"user":"eve","until":' . (time() + 3600) * 1000 . '}');
$ws->expect_close();
ended(qr/closing with 4500: revoked/, 'revoked', 'who is revoked', 'eve');

$ws = client('ann', '/slow', rcvbuf => 4096);
publish($t, [ map { { type => 'e', x => 'x' x 20000 } } 1 .. 10 ],
        token => token('bob')) for 1 .. 4;
ended(qr/the client is \d+ bytes behind/, undef, 'one that is too slow');
$ws->reset();

# none for a message

my @ws = map { client('ann') } 1 .. 3;
$_->sync() for @ws;
my $size = -s $t->testdir() . '/info.log';

for my $n (1 .. 50) {
    publish($t, { type => 'e', n => $n }, token => token('bob'));
    $_->command({ type => 'ping' }) for @ws;
    $_->command({ type => 'subscribe', channel => 's' }) for @ws;
    $_->command({ type => 'publish', event => { type => 'e' } }) for @ws;
    $_->send_text('{') for @ws;
}

$_->sync() for @ws;
is(-s $t->testdir() . '/info.log', $size,
    'hundreds of messages, good and bad, have no line');

my $few = client('dan', '/few');
$few->command({ type => 'ping' }) for 1 .. 20;
told(qr/messages over the limit, hub: "h", client.*user: "dan", conn/,
    'too many have one');
my $over = () = $t->read_file('info.log') =~ /messages over the limit.*"dan"/g;
is($over, 1, 'and no more');

# debug

SKIP: {
    skip 'nginx was built without debugging', 10
        if `$Test::Nginx::NGINX -V 2>&1` !~ /--with-debug/;

    $ws = client('deb', '/debug');
    $ws->command({ type => 'subscribe', channel => 'c' });
    $ws->command({ type => 'nonsense' });
    $ws->command({ type => 'auth', token => token('deb', jti => 'new') });
    $ws->close(1000);
    wait_for(sub { $t->read_file('debug.log') =~ /connection ended/ });

    my $debug = $t->read_file('debug.log');
    my $who = qr/hub: "h", client: 127.0.0.1, user: "deb", connection: c/;

    for ([ 'identity: 0, good', 'identity' ],
         [ 'handshake: conn_', 'handshake' ],
         [ 'session: 0 bytes', 'session' ],
         [ 'frame: \d', 'frames' ],
         [ 'message: command', 'commands' ],
         [ 'message: error unknown_type', 'errors' ],
         [ 'subscribe: channel 0', 'subscriptions' ],
         [ 'group: ', 'groups' ],
         [ 'output: \d+ of \d+ bytes', 'output' ])
    {
        like($debug, qr/\[debug\].* conductor $_->[0]/,
            "$_->[1] can be debugged");
    }

    like($debug, qr/\[info\].*connection ended, normal, $who/,
        'the other lines are there as well');
}

my @secret = grep { $t->read_file($_) =~ /conductor.*eyJ[\w-]{10}/ } 'info.log',
                                                               'error.log';
is("@secret", '', 'a token is in no line of ours');
is(scalar(grep { !/hub: "/ && !/handshake/ }
          grep { /\[(?:info|notice|warn|error)\].* conductor: / }
          split /\n/, $t->read_file('info.log')), 0,
    'every line names its hub');


sub token {
    my ($user, %more) = @_;
    return jwt({ sub => $user, role => 'writer', %more }, key => $secret);
}


# A client that has its welcome.
sub client {
    my ($user, $path, %opt) = @_;
    my @exp = exists $opt{exp} ? (exp => delete $opt{exp}) : ();

    my $client = ws_connect($t, $path // '/', token => token($user, @exp),
                            %opt);
    $client->{id} = $client->recv_until('welcome')->{connectionId};
    return $client;
}


# Whether a line comes, that and how often since the last one: once.
sub told {
    my ($line, $what) = @_;
    my $new;

    wait_for(sub { ($new = substr $t->read_file('info.log'), $at) =~ $line });

    my $n = () = $new =~ /$line/g;
    is($n, 1, "$what has one line");
    $at += length $new;
}


# Whether a connection's end has its cause and its label, once, with all that
# there is to say of it.
sub ended {
    my ($cause, $label, $what, $user) = @_;
    my $new;

    $user //= 'ann';
    $label //= '\w+';

    my $who = qr/hub: "h", client: 127\.0\.0\.1, user: "$user", /
              . qr/connection: $ws->{id}/;

    wait_for(sub {
        $new = substr $t->read_file('info.log'), $at;
        $new =~ ($label eq '\w+' ? qr/$cause/
                                 : qr/connection ended.*$ws->{id}/);
    });

    if ($cause) {
        my $n = () = $new =~ /\[info\].*$cause, $who/g;
        is($n, 1, "$what has one line with its cause");
    }

    if ($label ne '\w+') {
        my $n = () = $new =~ /\[info\].*connection ended, $label, $who/g;
        is($n, 1, "$what has ended");
    }

    $at += length $new;
}
