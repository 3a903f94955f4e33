#!/usr/bin/perl

# What an administrator asks, for clients with and without TLS, and that it is
# counted as the clients could count it.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl /))
    ->has_daemon('openssl')->plan(28);

my $secret = 'the secret, which is 32 octets or longer';

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     8m;
        history  events=1000 size=4m;
        drain    500ms;

        channel c { default on; }
        channel admin:notifications { default on; }
        event e { channel c; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080 sndbuf=4k;
        listen 127.0.0.1:8443 ssl sndbuf=4k;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        conductor_jwt_key HS256 'the secret, which is 32 octets or longer';

        location /        { conductor h; }
        location /slow    { conductor h; conductor_max_queue 8k; }
        location /publish { conductor_publish h; conductor_auth off; }
        location /health  { conductor_health h; conductor_auth off; }
        location /admin   { conductor_admin h; conductor_auth off; }
    }
}

EOF_CONF

certificate($t);

$t->run();

my $later = (time() + 3600) * 1000;
my $answer;

# notifications

my @ann = map { client($t, 'ann', $_ % 2) } 1 .. 4;
my @bob = map { client($t, 'bob', $_ % 2) } 1 .. 6;
my @all = (@ann, @bob);

is(ask($t, 'notifications', { message => "to $_->[0]", @$_[1 .. $#$_] }), 200,
    "a notification to $_->[0]")
    for [ 'all' ], [ 'ann', user => 'ann' ], [ 'her role', role => 'of ann' ],
        [ 'nobody', user => 'eve' ];
publish($t, { type => 'e' });

my @got = map { my $ws = $_; $ws->recv_until('e');
                scalar grep { $_->{type} eq 'admin-notification' }
                    @{$ws->skipped()} } @all;

is("@got[0 .. 3]", '3 3 3 3', 'a user that is meant has all three');
is("@got[4 .. 9]", '1 1 1 1 1 1', 'others the one to all');

my $now = figures($t);
is($now->{messagesSent}{'admin-notification'}, 3 * 4 + 1 * 6,
    'so many have been counted');
is($now->{messagesSent}{e}, 10, 'as other events are');
is($now->{events}, 5, 'each in the log once');
is($now->{dropped}, undef, 'and nothing was dropped');

# one connection

my @gone = splice @bob, 0, 2;

for my $ws (@gone) {
    ($answer) = api($t, 'DELETE', "/admin/connections/$ws->{id}");
    is(join(' ', $answer, $ws->expect_close()), '200 1000 disconnected 1',
        'a client is disconnected, ' . ($ws->{ssl} ? 'over TLS' : 'plain'));
}

# a user

is(ask($t, 'revocations', { user => 'ann', until => $later }), 200,
    'a user is revoked');
is(join(', ', map { join ' ', $_->expect_close() } @ann),
    join(', ', ('4500 revoked 1') x 4), 'all her clients go');
is(join(' ', map { ws_connect($t, '/', ssl => $_, token => token('ann'))
                       ->status() } 0, 1, 1), '401 401 401',
    'and do not come back');

settles($t, sub { $_[0]{connections} == 4 });
$now = figures($t);
is_deeply($now->{disconnections}, { normal => 2, revoked => 4 },
    'each is counted once, by its reason');
is_deeply($now->{refused}, { revoked => 3 }, 'so is each that was refused');

ask($t, 'revocations', { jti => 'a', until => $later });
is(join(' ', map { $_->command({ type => 'auth',
                                 token => token('bob', jti => 'a') })->{code} }
             @bob), 'revoked revoked revoked revoked',
    'a token that is revoked renews nothing');
is(figures($t)->{errors}{revoked}, 4, 'which is counted, too');

# too slow

my $before = figures($t);
my $slow = ws_connect($t, '/slow', ssl => 1, token => token('dan'),
                      rcvbuf => 2048, read_along => 0);
$slow->recv_until('welcome');
publish($t, [ map { { type => 'e', n => $_, s => 'x' x 2000 } } 1 .. 100 ]);
ok(settles($t, sub { $_[0]{connections} == 4 }),
    'who is too slow over TLS is let go');

my $n = events($slow);
$now = figures($t);
is($now->{disconnections}{too_slow}, 1, 'and counted as that');
cmp_ok($now->{dropped}{slow}, '>', 0, 'what it did not get is dropped');
is($now->{messagesSent}{e} - $before->{messagesSent}{e}
   - $now->{dropped}{slow} - 100 * @bob, $n,
    'and what it got is not');
is(join(' ', map { my $ws = $_; scalar grep { $ws->recv_until('e') } 1 .. 100 }
             @bob), '100 100 100 100', 'others have got all');

# all

is(ask($t, 'drain'), 200, 'the server is told to drain');
is(scalar(grep { my ($code, $reason, $ended) = $_->expect_close();
                 $code == 1012 && $reason =~ /^retry=\d+\z/ && $ended } @bob),
    4, 'all are sent away, TCP ended');
settles($t, sub { $_[0]{connections} == 0 });
is(figures($t)->{disconnections}{restart}, 4, 'counted as that');

my $health = (health($t))[1];
is($health->{connectionsTotal}, $health->{disconnections},
    'all that came have gone');


sub token {
    my ($user, %more) = @_;
    return jwt({ sub => $user, role => "of $user", exp => time() + 600,
                 %more }, key => $secret);
}


sub client {
    my ($nginx, $user, $ssl) = @_;
    my $ws = ws_connect($nginx, '/', token => token($user), ssl => $ssl);

    $ws->{id} = $ws->recv_until('welcome')->{connectionId};
    $ws->{ssl} = $ssl;
    return $ws;
}


sub ask {
    my ($nginx, $what, $body) = @_;
    return (api($nginx, 'POST', "/admin/$what",
                $body ? (body => JSON::PP->new->encode($body)) : ()))[0];
}


# How many events a client gets until it is closed.
sub events {
    my ($client) = @_;
    my $n = 0;

    while (my $message = $client->recv_json()) {
        $n++ if $message->{type} eq 'e';
    }

    return $n;
}


sub figures {
    my ($nginx) = @_;
    return (health($nginx, path => '/health?figures=1'))[1]{figures};
}


sub settles {
    my ($nginx, $condition) = @_;
    return wait_for(sub { $condition->((health($nginx))[1]) });
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
