#!/usr/bin/perl

# A new token on a live connection, and the end of one that has expired.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(52);

$t->write_file_expand('nginx.conf', conductor_conf(<<'CONF'));

%%TEST_GLOBALS%%

error_log %%TESTDIR%%/info.log info;

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    access_log off;

    conductor_hub h {
        zone 4m;
        history events=1000 size=256k;
        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;
        conductor_limit_conn off;
        conductor_limit_messages off;
        conductor_jwt_key HS256 'the secret, which is 32 octets or longer';

        location /      { conductor h; }
        location /role  { conductor h; conductor_require_role editor admin; }
        location /leeway { conductor h; conductor_jwt_leeway 3600s; }
        location /long  { conductor h; conductor_jwt_require exp=off; }
        location /aud   { conductor h; conductor_jwt_require aud=x; }
        location /open  { conductor h; conductor_auth off; }
        location /var   { conductor h; conductor_identity user=$http_x_user; }
        location /echo  { conductor h; conductor_protocol echo; }
        location /frozen {
            conductor h;
            conductor_ping 1h;
            conductor_idle_timeout 2h;
        }
        location /publish { conductor_publish h; conductor_auth off; }
    }
}

CONF

$t->run();

my @tokens;

###############################################################################

# a new token

my $ws = ws_connect($t, '/', token => token(sub => 'ann', role => 'a'));
my $first = $ws->recv_until('welcome');

is_deeply($ws->command({ type => 'auth', id => 'x', token => token() }),
    { type => 'ack', id => 'x' }, 'a new token is acknowledged');
is_deeply($ws->command({ type => 'auth', id => 7, token => token() }),
    { type => 'ack', id => 7 }, 'an id may be a number');
is_deeply($ws->command({ type => 'auth',
                         token => token(role => [ 'b', 'c' ]) })->{type}, 'ack',
    'the role may change');

$ws->send_json({ type => 'auth', token => token() });
is_deeply($ws->sync(), [], 'without an id there is no answer');

my ($other, $text) = (token(sub => 'bob'));

for my $case ([ 'of another user', 'forbidden', $other ],
              [ 'of a user with a longer name', 'forbidden',
                token(sub => 'anna') ],
              [ 'of a user with a shorter name', 'forbidden',
                token(sub => 'an') ],
              [ 'of a user in another case', 'forbidden', token(sub => 'Ann') ],
              [ 'without a user', 'forbidden', token(sub => undef) ],
              [ 'that has expired', 'token_expired', token(exp => time() - 1) ],
              [ 'of another user that has expired', 'token_expired',
                token(sub => 'bob', exp => 1) ],
              [ 'without an expiry', 'forbidden', token(exp => undef) ],
              [ 'that is not valid yet', 'forbidden',
                token(nbf => time() + 60) ],
              [ 'of another key', 'forbidden',
                jwt({ sub => 'ann' }, key => 'some other secret') ],
              [ 'without a signature', 'forbidden',
                jwt({ sub => 'ann' }, alg => 'none') ],
              [ 'that is rubbish', 'forbidden', 'rubbish' ],
              [ 'that is empty', 'forbidden', '' ],
              [ 'with octets of all kinds', 'forbidden',
                "\x{1}\x{17e}\x{1f600}\"" ],
              [ 'that is very long', 'bad_message', 'x' x 20000 ],
              [ 'that is a number', 'bad_message', 12 ],
              [ 'that is null', 'bad_message', undef ],
              [ 'that is a list', 'bad_message', [ token() ] ],
              [ 'that is an object', 'bad_message', { token => token() } ])
{
    my ($name, $code, $token) = @$case;
    my $reply = $ws->command({ type => 'auth', token => $token });

    is("$reply->{type} " . ($reply->{code} // ''), "error $code",
        "a token $name");
}

is(($ws->command({ type => 'auth' }) || {})->{code}, 'bad_message',
    'no token at all');
$ws->send_json({ type => 'auth', token => $other });
is($ws->recv_until('error')->{code}, 'forbidden',
    'an error is told even without an id');
$ws->send_text('{"type":"auth","id":"d","token":"' . token()
               . '","token":"x"}');
is($ws->recv_until('error')->{type}, 'error', 'a member that is there twice');
is($ws->command({ type => 'ping' })->{type}, 'pong',
    'all that cost the connection nothing');

is(reply($t, '/aud', token(aud => 'x'), token()), 'error forbidden',
    'a token for another audience');
is(reply($t, '/aud', token(aud => 'x'), token(aud => 'x')), 'ack ',
    'a token for the same one');
is(reply($t, '/role', token(role => 'editor'), token(role => 'admin')), 'ack ',
    'another role that the location takes');
is(reply($t, '/role', token(role => 'editor'), token(role => 'x')),
    'error forbidden', 'a role that it does not take');
is(reply($t, '/role', token(role => 'editor'), token()),
    'error forbidden', 'no role, where one is asked for');
is(reply($t, '/open', undef, token()), 'error forbidden',
    'where no identity is asked for, none is taken');
is(reply($t, '/var', undef, token(), headers => [ 'X-User: ann' ]),
    'error forbidden', 'where it comes by variable, no token is taken');

$ws = ws_connect($t, '/echo', token => token());
$text = '{"type":"auth","token":"x"}';
$ws->send_text($text);
is($ws->recv_text(), $text, 'an echo is no command');

###############################################################################

# expiry

my $echo = ws_connect($t, '/echo', token => token(exp => time() + 2));
my $quiet = ws_connect($t, '/frozen', token => token(exp => time() + 2));
my $kept = ws_connect($t, '/', token => token(exp => time() + 2));
my $cut = ws_connect($t, '/', token => token());
my $failed = ws_connect($t, '/', token => token(exp => time() + 2));
my $never = ws_connect($t, '/long', token => token(exp => undef));
my $late = ws_connect($t, '/leeway', token => token(exp => time() - 3598));
my $busy = ws_connect($t, '/', token => token(exp => time() + 2));

is($kept->command({ type => 'auth', token => token() })->{type}, 'ack',
    'a token is replaced by one that lasts');
is($cut->command({ type => 'auth', token => token(exp => time() + 2) })
    ->{type}, 'ack', 'or by one that does not');
is($failed->command({ type => 'auth', token => token(sub => 'bob') })
    ->{code}, 'forbidden', 'a refused one changes nothing');

# messages all the time: the one that comes too late ends the connection

my $close = wait_for(sub {
    $busy->send_json({ type => 'ping' });
    $busy->recv_json(0.1);
    $busy->{closed};
});

is_deeply($close, [ 4401, 'token expired' ],
    'a busy client is closed at expiry');

for my $case ([ 'a quiet client', $quiet ], [ 'an echo', $echo ],
              [ 'one whose new token is short', $cut ],
              [ 'one whose new token was refused', $failed ],
              [ 'one that was admitted within the leeway', $late ])
{
    my ($name, $client) = @$case;
    is_deeply([ $client->expect_close() ], [ 4401, 'token expired', 1 ],
        "closed at expiry: $name");
}

is($kept->command({ type => 'ping' })->{type}, 'pong',
    'the one with a new token lives');
is($never->command({ type => 'ping' })->{type}, 'pong',
    'so does one whose token never expires');

publish($t, { type => 'e', n => 1 });
is($kept->recv_until('e')->{n}, 1, 'and gets what is published');

is($never->command({ type => 'auth', token => token(exp => time() + 1) })
    ->{type}, 'ack', 'an end is given to what had none');
is(($never->expect_close())[0], 4401, 'and it comes');

is($kept->command({ type => 'auth', token => token(exp => time() + 2 ** 33) })
    ->{type}, 'ack', 'an expiry in a far century');
is($kept->command({ type => 'ping' })->{type}, 'pong', 'is not in the past');

###############################################################################

my $log = $t->read_file('info.log');
is_deeply([ grep { index($log, $_) >= 0 } @tokens ], [],
    'no token is in the log');

###############################################################################

# A token of ann; an hour long, if nothing else is said.
sub token {
    my (%claims) = @_;
    my $token = jwt({ sub => 'ann', %claims },
                    key => 'the secret, which is 32 octets or longer');

    push @tokens, $token;
    return $token;
}


# Connects with one token, sends another: "TYPE CODE" of the answer.
sub reply {
    my ($t, $path, $old, $new, %opt) = @_;
    my $ws = ws_connect($t, $path, token => $old, %opt);
    my $reply = $ws->command({ type => 'auth', token => $new }) || {};

    return ($reply->{type} // '') . ' ' . ($reply->{code} // '');
}
