#!/usr/bin/perl

# Back ends: what clients say goes to a location, and its answer comes back.

use warnings;
use strict;

use JSON::PP;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Backend;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /))->plan(67);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    geo $place { default elsewhere; 127.0.0.0/8 here; }

    upstream back {
        server 127.0.0.1:8082;
        keepalive 4;
    }

    upstream two {
        server 127.0.0.1:8083;
        server 127.0.0.1:8082;
    }

    conductor_hub h {
        zone     4m;
        history  events=1000 size=1m;

        channel c { default on; }
        channel d { }
        channel s { roles admin; }

        event e { channel c; redact secret; redact plan unless_role=admin; }
        event f { channel d; }

        message order  other-order;
    }

    server {
        listen 127.0.0.1:8080;
        listen unix:%%TESTDIR%%/unix.sock;

        conductor_auth off;
        conductor_limit_conn off;
        conductor_limit_messages off;

        location / {
            conductor h;
            conductor_identity user=$arg_user role=$arg_role;
            conductor_backend /back;
        }

        location /two/     { conductor h; conductor_backend /two?x=1; }
        location /gone/    { conductor h; conductor_backend /gone; }
        location /slow/    { conductor h; conductor_backend /slow; }
        location /raw/     { conductor h; conductor_backend /raw; }
        location /page/    { conductor h; conductor_backend /page; }
        location /none/    { conductor h; }
        location /nowhere/ { conductor h; conductor_backend /nowhere; }

        location = /back {
            internal;
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_set_header Connection '';
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Place $place;
            proxy_set_header Host $host;
            proxy_set_header X-Request "$request_method $request_uri $request";
        }

        location = /two  { deny all; proxy_pass http://two; }
        location = /raw {
            proxy_pass http://back;
            proxy_http_version 1.1;
            proxy_buffering off;
        }

        location = /page {
            proxy_pass http://back;
            proxy_intercept_errors on;
            error_page 500 =200 /instead;
        }

        location = /instead { return 200 '{"ack":{"n":5}}'; }

        location = /gone { proxy_pass http://127.0.0.1:8084; }
        location = /slow { proxy_pass http://back; proxy_read_timeout 200ms; }

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }

    server {
        listen 127.0.0.1:8081;
        error_log %%TESTDIR%%/gone.log error;

        conductor_auth off;

        location /     { conductor h; conductor_backend /gone; }
        location /gone { proxy_pass http://127.0.0.1:8084; }
    }
}

EOF_CONF

backend($t, 8082);
$t->run();

my $ws = ws_connect($t, '/?user=ann&role=reviewer');
$ws->recv_until('welcome');

# what a back end is told

my $ack = ask($ws, { action => 'look', id => 7, key => 'k', token => 'T',
                     n => [ 1, { a => "\x{e4}" } ], do => { answer =>
                         { ack => { found => 3 } } } });

is_deeply($ack, { type => 'ack', id => 7, found => 3 },
    'what it answers is the ack');

my ($r) = asked($t, 8082);
my $body = $r->{body};

is("$r->{method} $r->{headers}{'content-type'}", 'POST application/json',
    'it is asked with a POST of JSON');
is($r->{headers}{'x-real-ip'}, '127.0.0.1', 'for the client\'s address');
is("$r->{headers}{host} $r->{headers}{'x-request'}",
    'localhost POST /back POST /back HTTP/1.1', 'variables say what it is');
is($r->{headers}{'x-place'}, 'here', 'which is what variables say as well');
is_deeply($body->{message},
    { type => 'agent:a', action => 'look', n => [ 1, { a => "\x{e4}" } ],
      do => $body->{message}{do} },
    'it is told what the client said, but for id, key and token');
is_deeply([ @$body{qw/ kind hub userId role address /} ],
    [ 'message', 'h', 'ann', 'reviewer', '127.0.0.1' ], 'and who that is');
like($body->{connectionId}, qr/^conn_.{16}$/, 'on which connection');
is($body->{id}, '3:ann/k', 'under an id that a key makes');

my $socket = open_at('unix:' . $t->testdir() . '/unix.sock', '/?user=u');
ask($socket, { id => 1 });
is((asked($t, 8082))[-1]{headers}{'x-place'}, 'elsewhere',
    'one that comes over a Unix socket has none');

ask($ws, { id => 8 });
my $one = (asked($t, 8082))[-1]{body}{id};
ask($ws, { id => 8 });
isnt($one, (asked($t, 8082))[-1]{body}{id}, 'or that is unique');

# what is repeated

$ack = ask($ws, { action => 'look', id => 8, key => 'k' });
is_deeply($ack, { type => 'ack', id => 8, found => 3 },
    'a message with the same key is answered as the first was');
is(scalar(grep { $_->{body}{id} eq '3:ann/k' } asked($t, 8082)), 1,
    'and not told again');

is(ask($ws, { id => 1, key => 'l', do => { status => 500 } })->{code},
    'backend_error', 'what failed');
is(ask($ws, { id => 1, key => 'l', do => { answer => { ack => { n => 1 } } } })
    ->{n}, 1, 'may be repeated');

$ws->send_json({ type => 'agent:a', id => $_, key => 'm',
                 do => { delay => 0.3 } }) for 1 .. 2;
is($ws->recv_until('error')->{code}, 'busy', 'what is under way is not');
is($ws->recv_until('ack')->{id}, 1, 'told twice');

my $again = open_at($t, '/?user=ann&role=reviewer');
ask($again, { id => 1, key => 'k' });
is((asked($t, 8082))[-1]{body}{id}, '3:ann/k',
    'on another connection it has the id that it had');

my $id = ask($ws, { id => 1, action => 'start_session' })->{sessionId};
is(ask($ws, { id => 1, key => 'e', action => 'end_session' })->{sessionId},
    $id, 'a session is ended');
my $new = ask($ws, { id => 1, action => 'start_session' })->{sessionId};
is(ask($ws, { id => 1, key => 'e', action => 'end_session' })->{sessionId},
    $id, 'once');
is(ask($ws, { id => 1, action => 'start_session' })->{sessionId}, $new,
    'and not another');

# types that a hub names

is(ask($ws, { type => 'order', id => 1 })->{type}, 'ack',
    'a message that the hub names goes to it as well');
is(ask($ws, { type => 'more', id => 1 })->{code}, 'unknown_type',
    'another one does not');
is(ask(open_at($t, '/none/'), { id => 1 })->{code}, 'unknown_type',
    'nor does any where there is no back end');

# what it wants

my $watch = open_at($t, '/?user=eve&role=admin');

$ws->send_json({ type => 'agent:a', action => 'x', do => { answer => {
    publish => [ { type => 'e', n => 1 }, { type => 'e', n => 2 } ] } } });
is_deeply([ map { $watch->recv_until('e')->{n} } 1 .. 2 ], [ 1, 2 ],
    'it publishes to all');
$ws->recv_until('e') for 1 .. 2;

$ws->send_json({ type => 'agent:a', do => { answer => { emit => [
    { type => 'hint', n => 1, timestamp => 5 },
    { type => 'e', n => 9, secret => 1, plan => 2 } ] } } });
my $hint = $ws->recv_json();
is($hint->{type} . $hint->{n}, 'hint1', 'it sends a message to the client');
cmp_ok($hint->{timestamp}, '>', 1e12, 'at the time it is');
my $e = $ws->recv_json();
is_deeply([ sort keys %$e ], [ qw/ n timestamp type / ],
    'of an event it sends what the client\'s role may see');

ask($ws, { id => 1, do => { answer => { emit => { secret => 'hush' } } } });
like($t->read_file('error.log'), qr/this cannot be sent to the client/,
    'what it cannot send is logged');
unlike($t->read_file('error.log'), qr/hush/, 'but not its content');

ask($ws, { id => 1, do => { answer => { subscribe =>
    [ { channel => 'd', filter => { n => [ 2 ] } }, 's' ] } } });
publish($t, { type => 'f', n => 1 });
publish($t, { type => 'f', n => 2 });
is($ws->recv_until('f')->{n}, 2, 'it subscribes, with a filter');

ask($ws, { id => 1, do => { answer => { unsubscribe => 'd' } } });
publish($t, { type => 'f', n => 2 });
publish($t, { type => 'e', n => 3 });
is($ws->recv_until('e')->{n}, 3, 'it unsubscribes');

ask($ws, { id => 1, do => { answer => { identity => { role => 'admin' } } } });
is($ws->command({ type => 'subscribe', channel => 's' })->{type}, 'ack',
    'it gives a role');

$ws->send_json({ type => 'agent:a', id => $_, n => 'in turn', do => { delay =>
    0.1, answer => { identity => { role => "role$_" } } } }) for 1 .. 2;
$ws->recv_until('ack') for 1 .. 2;
is_deeply([ map { $_->{body}{role} }
            grep { ($_->{body}{message}{n} // '') eq 'in turn' }
            asked($t, 8082) ], [ 'admin', 'role1' ],
    'what waits meanwhile is told in the new one');

ask($ws, { id => 1, do => { answer => { identity => { user => 'eve' } } } });
ask($ws, { id => 1 });
is((asked($t, 8082))[-1]{body}{userId}, 'ann', 'but no other user');

is(ask($ws, { id => 1, do => { answer => { ack => [ 1 ] } } })->{data}[0], 1,
    'an answer that is no object is the ack\'s data');
is(ask($ws, { id => 1, do => { answer => '', status => 204 } })->{type},
    'ack', 'no answer at all is enough');

# what goes wrong

my $raw = open_at($t, '/raw/');

for my $case (
    [ 'a status that is not 2xx', { status => 500 } ],
    [ 'an answer that is no JSON', { answer => '{"ack":' } ],
    [ 'one that is no object', { answer => '[]' } ],
    [ 'one with a wrong member', { answer => { emit => 1 } } ],
    [ 'one that is cut off', { answer => '{}' . ' ' x 100, drop => 2 } ],
    [ 'one that never comes', { drop => -1 } ],
    [ 'one that is too long', { answer => { ack => 'x' x 20000 } } ],
    [ 'one in chunks that is', { answer => { ack => 'x' x 20000 },
                                 chunked => 1 } ],
    [ 'a chunk that is cut off', { answer => '{}' . ' ' x 100, drop => 9,
                                   chunked => 1 } ])
{
    is(ask($ws, { id => 3, do => $case->[1] })->{code}, 'backend_error',
        $case->[0] . ' is an error');
    is(ask($raw, { id => 3, do => $case->[1] })->{code}, 'backend_error',
        'without buffers as well');
}

is(ask($ws, { id => 3, do => { answer => { ack => { n => 1 } },
                               chunked => 1 } })->{n}, 1,
    'one in chunks is not');
is(ask($raw, { id => 3, do => { answer => { ack => { n => 2 } } } })->{n}, 2,
    'nor one without buffers');
is(ask(open_at($t, '/page/'), { id => 1, do => { status => 500 } })->{n}, 5,
    'nginx may answer instead of a back end');

is(ask(open_at($t, '/gone/'), { id => 1 })->{code}, 'backend_error',
    'so is a back end that is not there');
is(ask(open_at($t, '/nowhere/'), { id => 1 })->{code}, 'backend_error',
    'and a location that is none');

my $gone = ws_connect(port(8081), '/');
$gone->recv_until('welcome');
ask($gone, { id => $_ }) for 1 .. 20;
my @lines = split /\n/, $t->read_file('gone.log');
is(scalar(grep { /back end "\/gone" failed/ } @lines), 1,
    'which is logged once');
is(scalar(grep { /connect\(\) failed/ } @lines), 1, 'also by nginx');
is(ask(open_at($t, '/slow/'), { id => 1, do => { delay => 1 } })->{code},
    'backend_timeout', 'one that takes too long is another');
is(ask(open_at($t, '/two/'), { id => 1 })->{type}, 'ack',
    'nginx asks the next one where the first is not there');
is((asked($t, 8082))[-1]{uri}, '/two?x=1', 'with the arguments');

is(ask($ws, { id => 4 })->{type}, 'ack', 'and the client goes on');

$ws->send_json({ type => 'agent:a', do => { answer => { emit => { type => 'bye' },
    close => { code => 4321, reason => 'done' } } } });
$ws->recv_until('bye');
is_deeply([ ($ws->expect_close())[0, 1] ], [ 4321, 'done' ],
    'a back end ends a connection');


sub open_at {
    my ($t, $uri) = @_;
    my $s = ws_connect($t, $uri);
    $s->recv_until('welcome');
    return $s;
}


# A message for the back end, and its answer.

sub ask {
    my ($s, $message) = @_;

    return $s->command({ type => 'agent:a', %$message }) // {};
}
