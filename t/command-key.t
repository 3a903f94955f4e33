#!/usr/bin/perl

# Keys on commands: what was done under a key is not done again.

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
    ->has_daemon('openssl')->plan(25);

# the master says so of who was killed while it changed the zone

$t->todo_alerts(killed());

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
        drain    500ms;

        channel c { default on; }

        event e     { channel c; publish_roles editor; }
        event once  { channel c; publish_roles editor; require n; }
    }

    server {
        listen 127.0.0.1:8080 reuseport;
        listen 127.0.0.1:8443 ssl reuseport;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        conductor_limit_conn off;

        location / {
            conductor h;
            conductor_jwt_key HS256 'the secret, which is 32 octets or longer';
        }

        location /publish { conductor_publish h; }
    }
}

EOF_CONF

certificate($t);

$t->run();
wait_for(sub { worker_pids($t) == workers() });

my $ws = client($t, 'ann');
my $watch = client($t, 'eve');

# the same publication once more

my $first = command($ws, 'k', { type => 'once', n => 1 });
is($first->{type}, 'ack', 'a command with a key is done');
is_deeply(command($ws, 'k', { type => 'once', n => 1 }), $first,
    'a repeat is answered as the first was');
is_deeply(command($ws, 'k', { type => 'e', n => 2 }), $first,
    'whatever the event is now');
is_deeply(command($ws, 'k', { type => 'nope' }), $first,
    'even if there is no such event');

my @answers = map { command(client($t, 'ann', $_ % 2), 'k', { type => 'e' }) }
              1 .. 12;
is(scalar(grep { $_->{eventId} eq $first->{eventId} } @answers), 12,
    'and on any connection of this user, plain or over TLS');

my $bob = command(client($t, 'bob'), 'k', { type => 'once', n => 2 });
isnt($bob->{eventId}, $first->{eventId}, 'the key of another user is another');

is_deeply([ map { $watch->recv_json()->{n} } 1, 2 ], [ 1, 2 ],
    'each was done once');

$ws->send_json({ type => 'publish', key => 'k', event => { type => 'e' } });
is(scalar(grep { /"type":"(?:ack|e)"/ } @{$ws->sync()}), 0,
    'without an id there is no answer to a repeat');

# what fails is not kept

is(command($ws, 'fails', { type => 'once' })->{code}, 'bad_message',
    'a command may fail');
is(command($ws, 'fails', { type => 'nope' })->{code}, 'unknown_type',
    'its key is free');
is(command($ws, 'fails', { type => 'once', n => 3 })->{type}, 'ack',
    'for one that does not');
is($watch->recv_json()->{n}, 3, 'which arrives, and nothing before it');
is($ws->command({ type => 'nope', key => 'other' })->{code}, 'unknown_type',
    'other commands may fail, too');
is($ws->command({ type => 'auth', key => 'other', token => 'x' })->{code},
    'forbidden', 'and are then done');

# other commands: on the connection

is($ws->command({ type => 'auth', key => 'auth', token => token('ann') })
    ->{type}, 'ack', 'another command with a key is done');
is($ws->command({ type => 'auth', key => 'auth', token => 'x' })->{type},
    'ack', 'and then not again');
is(client($t, 'ann')->command({ type => 'auth', key => 'auth',
                                token => 'x' })->{code}, 'forbidden',
    'but it is on another connection');
is_deeply($ws->command({ type => 'auth', key => 'k', token => 'x', id => 'z' }),
    { %$first, id => 'z' }, 'the key of a publication is one for all commands');
is(command($ws, 'auth', { type => 'once', n => 4 })->{eventId}, undef,
    'as is that of another command on its connection');

# a key that is none

is($ws->command({ type => 'ping', key => 'ping' })->{type}, 'pong',
    'a ping is always answered');
is($ws->command({ type => 'ping', key => 'ping' })->{type}, 'pong',
    'however often it comes');
isnt(command($ws, '', { type => 'once', n => 5 })->{eventId},
    command($ws, '', { type => 'once', n => 5 })->{eventId},
    'an empty key is none');

# over crash and reload

my @killed = worker_pids($t);
kill 'KILL', @killed;
wait_gone(\@killed);
wait_for(sub { worker_pids($t) == workers() });
$watch = client($t, 'eve');
$ws = client($t, 'ann');
is(command($ws, 'k', { type => 'e' })->{eventId}, $first->{eventId},
    'a key outlives the worker');

reload_workers($t);
$watch = client($t, 'eve');
$ws = client($t, 'ann');
is(command($ws, 'k', { type => 'e' })->{eventId}, $first->{eventId},
    'and a reload');
command($ws, 'last', { type => 'once', n => 7 });
is($watch->recv_json()->{n}, 7, 'nothing was sent in between');


sub token {
    my ($user) = @_;
    return jwt({ sub => $user, role => 'editor', exp => time() + 600 },
        key => 'the secret, which is 32 octets or longer');
}


# A client of a user that is connected.
sub client {
    my ($nginx, $user, $ssl) = @_;
    my $client;

    wait_for(sub {
        $client = ws_connect($nginx, '/', token => token($user),
                             ssl => $ssl);
        return $client->is_open() && $client->recv_until('welcome');
    });

    return $client;
}


# The answer to a publication with a key.
sub command {
    my ($client, $key, $event) = @_;

    return $client->command({ type => 'publish', id => 1, key => $key,
                              event => $event });
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
