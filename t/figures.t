#!/usr/bin/perl

# Figures: what a hub counts is what its clients could count.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(36);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
    worker_connections 4096;
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     16m;
        history  events=1000 size=8m;
        drain    1s;

        channel c { default on; }
        channel quiet { }

        event e       { channel c; require n; }
        event f       { channel c; }
        event welcome { channel c; }
        event unheard { channel quiet; }
    }

    conductor_hub other { zone 4m; history events=100 size=64k; }

    conductor_hub full {
        zone 2m;
        history events=1000 size=1m;
        drain 1s;
    }

    client_max_body_size 4m;

    server {
        listen 127.0.0.1:8080 sndbuf=4k;

        conductor_auth        off;
        conductor_limit_conn  off;

        location /      { conductor h; conductor_compress on; }
        location /one   { conductor h; conductor_limit_conn 1 key=one; }
        location /full  { conductor full; }
        location /echo  { conductor h; conductor_protocol echo; }
        location /idle  { conductor h; conductor_idle_timeout 300ms; }
        location /slow  { conductor h; conductor_max_queue 8k; }
        location /rate  { conductor h; conductor_limit_messages 2 per=60s; }
        location /small { conductor h; conductor_max_message 1000; }

        location /flood {
            conductor h;
            conductor_limit_messages 1 per=60s close_after=2;
        }

        location /echo/rate {
            conductor h;
            conductor_protocol echo;
            conductor_limit_messages 1 per=60s;
        }

        location /token {
            conductor h;
            conductor_jwt_key HS256 'the secret, which is 32 octets or longer';
            conductor_require_role admin;
        }

        location /user {
            conductor h;
            conductor_jwt_key HS256 'the secret, which is 32 octets or longer';
            conductor_limit_user 1;
        }

        location /hands { conductor h; conductor_limit_handshakes 1 per=60s; }

        location /dry {
            conductor h;
            conductor_limit_conn      1 key=dry;
            conductor_limit_messages  1 per=60s;
            conductor_limit_dry_run   on;
        }

        location /close {
            conductor h;
            conductor_origins https://a.example;
            conductor_refuse close;
        }

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
        location /other   { conductor_health other; }

        location = /full/health { conductor_health full; }
    }
}

EOF_CONF

$t->run();

is_deeply(figures($t), {}, 'nothing is counted before there is something');

# refusals

ws_connect($t, '/', @$_) for [ method => 'POST' ], [ http_version => '1.0' ],
    [ connection => undef ], [ key => 'x' ], [ body => 'abc',
    headers => [ 'Content-Length: 3' ] ], [ protocols => 'a b' ],
    [ extensions => ';' ], [ version => 8 ], [ version => 8 ],
    [ upgrade => undef ];

ws_connect($t, '/token', @$_) for [], [ token => token(exp => time() - 1) ],
    [ token => token(role => 'x') ], [ token => 'x' ];

is(ws_connect($t, '/close', origin => 'https://b.example')->status(), 101,
    'a refusal may be a close code');

my $one = ws_connect($t, '/one');
ws_connect($t, '/one') for 1 .. 3;

is_deeply(figures($t)->{refused}, { bad_method => 1, bad_http_version => 1,
    bad_connection => 1, bad_key => 1, bad_body => 1, bad_subprotocol => 1,
    bad_extensions => 1, bad_version => 2, no_upgrade => 1, bad_token => 2,
    token_expired => 1, bad_role => 1, bad_origin => 1, address_limit => 3 },
    'refusals are counted by their reason');
is(figures($t)->{connectionsTotal}, 1, 'and are no connections');
is_deeply([ (health($t))[1]->@{qw/ refused connectionsTotal connections /} ],
    [ 18, 1, 1 ], 'the totals have the same');
is((health($t, path => '/other'))[1]{refused}, 0, 'each hub has its own');

# messages of clients

my $before = figures($t);
my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');

$ws->command({ type => 'ping' }) for 1 .. 5;
$ws->command({ type => 'auth', token => 'x' });
$ws->command({ type => $_ }) for 'nothing', 'agent:a', 'other';
$ws->send_text($_) for '{', '[]', '{"type":1}';
$ws->recv_until('error') for 1 .. 3;

my $rate = ws_connect($t, '/rate');
$rate->send_text($_) for ('{"type":"ping"}') x 3, '{', 'x';
$rate->recv_until('error') for 1 .. 3;

my $echo = ws_connect($t, '/echo');
$echo->send_text('x') for 1 .. 4;
$echo->recv_data() for 1 .. 4;

my $limited = ws_connect($t, '/echo/rate');
$limited->send_binary('x') for 1 .. 2;
$limited->recv_data() for 1 .. 2;

my $flood = ws_connect($t, '/flood');
$flood->send_text('{"type":"ping"}') for 1 .. 9;
my (undef, undef, @told) = messages($flood);
is(($flood->expect_close())[0], 4429, 'one is flooding');

my $now = figures($t);
is_deeply($now->{messagesReceived}, { ping => 5 + 3 + 1 + @told, auth => 1,
    other => 2, agent => 1, invalid => 3 + 2, echo => 4 + 2, unread => 1 },
    'messages of clients are counted by their type');
is_deeply($now->{errors}, { forbidden => 1, unknown_type => 3, bad_json => 2,
    bad_message => 1, rate_limited => 3 + 1 + @told }, 'errors by their code');
is_deeply($now->{messagesSent}, { welcome => 1 + 3, pong => 5 + 2 + 1,
    error => 1 + 3 + 3 + 3 + 1 + @told, echo => 4 + 1 }, 'and answers by their type');

# events

my @all = ($one, $ws, $rate);
publish($t, { type => 'e', n => $_ }) for 1 .. 3;
publish($t, [ map { { type => 'f', s => 'x' x 300 } } 1 .. 4 ]);
publish($t, [ map { { type => $_ } } qw/ unheard welcome f / ]);

for my $client (@all) {
    $client->recv_until('f') for 1 .. 5;
}

is((publish($t, '{'))[0], 400, 'a publication may be no JSON');
publish($t, $_) for { type => 'x' }, { type => 'e' }, [ ({}) x 2 ];
publish($t, { type => 'f', s => 'x' x 3_000_000 });

$now = figures($t);
is($now->{events}, 10, 'events that were accepted are counted');
is_deeply($now->{publicationsRefused},
    { bad_json => 1, invalid => 3, too_large => 1 },
    'and publications that were not, by their reason');
is_deeply([ $now->{messagesSent}->@{qw/ e f unheard /} ],
    [ 3 * 3, 3 * 5, undef ],
    'each event once for each client that gets it');
is($now->{messagesSent}{welcome}, 4 + 3,
    'one called as a message of the hub with that');
is($now->{dropped}, undef, 'nothing was dropped');

# disconnections

ok(settles($t, sub { $_[0]{disconnections} }), 'one connection has ended');

$one->close(1000);
end($t, '/', sub { $_[0]->close(1001) });
end($t, '/', sub { $_[0]->send_frame(8, ''); $_[0]->expect_close() });
end($t, '/', sub { $_[0]->close(4500) });
end($t, '/', sub { $_[0]->close(1013) });
end($t, '/', sub { $_[0]->reset() });
end($t, '/', sub { $_[0]->drop() });
end($t, '/', sub { $_[0]->send_frame(1, 'x', mask => 0);
                   $_[0]->expect_close() });
end($t, '/', sub { $_[0]->send_frame(1, "\xff"); $_[0]->expect_close() });
end($t, '/', sub { $_[0]->send_binary('x'); $_[0]->expect_close() });
end($t, '/small', sub { $_[0]->send_text('x' x 1001);
                        $_[0]->expect_close() });
end($t, '/idle', sub { $_[0]->expect_close() });
end($t, '/token', sub { $_[0]->expect_close() },
    token => token(role => 'admin', exp => time() + 3));

my %ended = (normal => 1, going_away => 1, no_status => 1, other => 2,
    abnormal => 2, protocol_error => 1, invalid_data => 1,
    unsupported_data => 1, too_big => 1, idle => 1, token_expired => 1,
    flooding => 1);

ok(settles($t, sub { $_[0]{connections} == 4 }), 'clients end in many ways');
is_deeply(figures($t)->{disconnections}, \%ended,
    'each is counted once, by its reason');
balanced($t, 'what came is what went and what is there');

# who is too slow

$before = figures($t);
my $slow = ws_connect($t, '/slow', rcvbuf => 2048, read_along => 0);
$slow->recv_until('welcome');
publish($t, [ map { { type => 'e', n => $_, s => 'x' x 2000 } } 1 .. 100 ]);
ok(settles($t, sub { $_[0]{disconnections} == 15 }),
    'who is too slow is let go');

$now = figures($t);
is($now->{disconnections}{too_slow}, 1, 'and counted as that');

my $got = grep { $_->{type} eq 'e' } messages($slow);
my $gone = $now->{dropped}{slow};
my $sent = $now->{messagesSent}{e} - $before->{messagesSent}{e} - 2 * 100;
cmp_ok($gone, '>', 0, 'what it did not get is counted as dropped');
is($sent - $gone, $got, 'and what it got is not');
cmp_ok($now->{droppedBytes}{slow} / $gone, '>', 2000, 'also in bytes');
balanced($t, 'and what came is still what went and what is there');

my $leaves = ws_connect($t, '/', rcvbuf => 2048, read_along => 0);
$leaves->recv_until('welcome');
publish($t, [ map { { type => 'f', n => $_, s => noise(2000) } } 1 .. 100 ]);
$leaves->reset();
ok(settles($t, sub { $_[0]{disconnections} == 16 }),
    'one leaves while much waits for it');
cmp_ok(figures($t)->{dropped}{gone}, '>', 0, 'that is dropped as well');

# other limits

my @more = ((map { ws_connect($t, '/user', token => token()) } 1, 2),
            (map { ws_connect($t, '/hands') } 1, 2),
            (map { ws_connect($t, '/dry') } 1, 2));

is(join(' ', map { $_->status() } @more), '101 429 101 429 101 101',
    'there are limits of users and handshakes, and some on trial');
$more[5]->command({ type => 'ping' }) for 1 .. 3;

$now = figures($t);
is_deeply([ $now->{refused}->@{qw/ user_limit handshake_limit /} ], [ 1, 1 ],
    'each counts whom it refuses');
is_deeply($now->{dryRun}, { address_limit => 1, rate_limited => 2 },
    'or would have refused');

# a full zone, and a reload

my @full;
push @full, ws_connect($t, '/full')
    until @full == 2000 || @full && $full[-1]->status() != 101;
is($full[-1]->status(), 503, 'a hub is full');
is((health($t, path => '/full/health?figures=1'))[1]{figures}{refused}
    {zone_full}, 1, 'that is a reason as well');

my $total = (health($t))[1];
my @old = worker_pids($t);
reload_workers($t);
$_->expect_close() for $ws, $rate, $echo, $limited,
    grep { $_->is_open() } @more;
ok(wait_gone(\@old), 'the workers are replaced');

$now = figures($t);
is_deeply($now->{disconnections}, { %ended, too_slow => 1,
    abnormal => 3, restart => 8 }, 'their clients went with a reload');
is_deeply([ grep { (health($t))[1]{$_} < $total->{$_} } grep {
    $_ ne 'connections' && $_ ne 'workers' && $total->{$_} =~ /^\d+\z/ }
    keys %$total ], [], 'and no figure went back');


sub figures {
    my ($nginx) = @_;
    return (health($nginx, path => '/health?figures=1'))[1]{figures};
}


# All that a client gets until it is closed.
sub messages {
    my ($client) = @_;
    my @messages;

    while (my $message = $client->recv_json()) {
        push @messages, $message;
    }

    return @messages;
}


sub token {
    return jwt({ sub => 'ann', exp => time() + 60, @_ },
               key => 'the secret, which is 32 octets or longer');
}


# A client that comes and then ends as the function does it.
sub end {
    my ($nginx, $path, $how, @opt) = @_;
    my $client = ws_connect($nginx, $path, @opt);
    $client->recv_until('welcome');
    $how->($client);
}


sub settles {
    my ($nginx, $condition) = @_;
    return wait_for(sub { $condition->((health($nginx))[1]) });
}


sub balanced {
    my ($nginx, $name) = @_;
    my $health = (health($nginx))[1];
    is($health->{connectionsTotal} - $health->{disconnections},
        $health->{connections}, $name);
}


# Text that does not compress.
sub noise {
    return join '', map { chr 33 + int rand 90 } 1 .. $_[0];
}
