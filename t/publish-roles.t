#!/usr/bin/perl

# Who may publish which event: by token over HTTP, and over WebSocket.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http access /))->plan(45);

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
        history  events=400 size=64k;

        channel c { default on; }

        event e       { channel c; publish_roles editor admin; }
        event strict  { channel c; publish_roles editor; require a b; }
        event plain   { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_jwt_key HS256 'the secret, which is 32 octets or longer';

        location /nobody   { conductor h; conductor_auth off; }
        location /         { conductor h; }
        location /publish  { conductor_publish h; }
        location /off      { conductor_publish h; conductor_auth off; }
        location /health   { conductor_health h; }

        location /role {
            conductor_publish h;
            conductor_require_role reader editor;
        }

        location /any {
            conductor_publish h;
            satisfy any;
            allow 127.0.0.1;
            deny all;
        }
    }
}

EOF_CONF

$t->run();

my ($editor, $reader, $both, $none) = map { token($_) } 'editor', 'reader',
    [ 'reader', 'admin' ], undef;

my $ws = ws_connect($t, '/', token => $editor);
$ws->recv_until('welcome');

# over HTTP

for my $case (
    [ 'a role that the event names',          '/publish', $editor, 'e', 200 ],
    [ 'one of several roles',                 '/publish', $both,   'e', 200 ],
    [ 'another role',                         '/publish', $reader, 'e', 403 ],
    [ 'no role',                              '/publish', $none,   'e', 403 ],
    [ 'a role where the event names none', '/publish', $editor, 'plain', 403 ],
    [ 'a role that the location names',    '/role',    $reader, 'plain', 200 ],
    [ 'a role that only the location names',  '/role', $reader, 'e',     403 ],
    [ 'a role that both name',                '/role', $editor, 'e',     200 ],
    [ 'an address',                           '/any',  undef,   'e',     200 ],
    [ 'an address and a role that is not',    '/any',  $reader, 'plain', 200 ],
    [ 'nobody in particular',                 '/off',  undef,   'e',     200 ],
) {
    my ($name, $path, $token, $type, $status) = @$case;
    is((publish($t, { type => $type }, path => $path, token => $token))[0],
        $status, "$name publishes: $status");
    is($ws->recv_json()->{type}, $type, 'and it arrives') if $status == 200;
}

my ($status, $answer) = publish($t, [ { type => 'e' }, { type => 'plain' } ],
    token => $editor);
is_deeply([ $status, $answer ], [ 403, { index => 1,
    error => 'this role may not publish this type of event' } ],
    'the answer says which event it is');
is_deeply([ (publish($t, [ { type => 'e' }, { type => 'strict' } ],
                     token => token('admin')))[0, 1] ], [ 403, $answer ],
    'and not what it lacks');
is((publish($t, [ { type => 'e' }, { type => 'nope' } ],
            token => $editor))[0], 422, 'an unknown one is another fault');
is_deeply((health($t, path => '/health?figures=1'))[1]{figures}
              {publicationsRefused}, { forbidden => 6, invalid => 1 },
    'each refusal is counted by its reason');

# over WebSocket

my $reply = command($ws, { type => 'e', n => 1 });
is($reply->{type}, 'ack', 'a client publishes what its role may');
my $event = $ws->recv_json();
is_deeply([ $event->{n}, $event->{eventId} ], [ 1, $reply->{eventId} ],
    'and gets it like everyone, under the id of the answer');

$ws->send_json({ type => 'publish', event => { type => 'e', n => 2 } });
is($ws->recv_json()->{n}, 2, 'without an id there is no answer');

for my $case (
    [ 'an event that names other roles', $reader, { type => 'e' },
      'forbidden' ],
    [ 'an event that names no role', $editor, { type => 'plain' },
      'forbidden' ],
    [ 'one that lacks a field, which is not told', $reader,
      { type => 'strict' }, 'forbidden' ],
    [ 'an unknown event', $editor, { type => 'nope' }, 'unknown_type' ],
    [ 'an event without a type', $editor, { n => 1 }, 'bad_message' ],
    [ 'a type that is a number', $editor, { type => 1 }, 'bad_message' ],
    [ 'a list', $editor, [ { type => 'e' } ], 'bad_message' ],
    [ 'nothing', $editor, undef, 'bad_message' ],
    [ 'an event that lacks a field', $editor, { type => 'strict', a => 1 },
      'bad_message', qr/^a required field is missing: "b"$/ ],
    [ 'an event larger than the log takes', $editor,
      { type => 'e', s => 'x' x 17000 }, 'too_large' ],
) {
    my ($name, $token, $event, $code, $text) = @$case;
    my $client = ws_connect($t, '/', token => $token);

    $client->recv_until('welcome');
    $reply = command($client, $event);
    is($reply->{code}, $code, "$name is refused: $code");
    like($reply->{error}, $text, 'which one it is') if $text;
}

$reply = command(ws_connect($t, '/', token => $both), { type => 'e', n => 3 });
is($reply->{type}, 'ack', 'one of several roles is enough');
is($ws->recv_json()->{n}, 3, 'and all that was refused was not sent');

$reply = command(ws_connect($t, '/nobody'), { type => 'e' });
is($reply->{code}, 'forbidden', 'who is nobody has no role');

# what the role is now

my $changed = ws_connect($t, '/', token => $reader);
is($changed->command({ type => 'auth', token => $editor })->{type}, 'ack',
    'a client gets another role');
is(command($changed, { type => 'e', n => 4 })->{type}, 'ack',
    'and may publish from then on');
is($ws->recv_json()->{n}, 4, 'which arrives');

is(command($ws, { type => 'e', s => 'x' x 16000 })->{type}, 'ack',
    'an event may be a quarter of the history');
is(length $ws->recv_until('e')->{s}, 16000, 'and arrives whole');
is_deeply([ $ws->faults() ], [], 'the client finds no fault');


# A token with a role, or without one.
sub token {
    my ($role) = @_;
    return jwt({ sub => 'ann', exp => time() + 600,
                 defined $role ? (role => $role) : () },
        key => 'the secret, which is 32 octets or longer');
}


# The answer to a publication over WebSocket.
sub command {
    my ($client, $event) = @_;
    return $client->command({ type => 'publish', event => $event }) || {};
}
