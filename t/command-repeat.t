#!/usr/bin/perl

# Commands that are repeated: a subscription is answered as the first was, with
# and without an identity, also while many other keys are in use.

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
    ->has_daemon('openssl')->plan(60);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
    worker_connections 2048;
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        history  events=100 size=64k;
        drain    1h;

        channel c { default on; }
        channel d { }
        channel g { }
        event e { channel c; }
        event f { channel d; }
    }

    conductor_hub small {
        zone     2m;
        history  events=100 size=64k;

        channel c { default on; }
        event e { channel c; publish_roles r; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8443 ssl;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location /        { conductor h; conductor_identity user=$arg_user; }
        location /open    { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }
        location /small   { conductor_publish small; }

        location /ws {
            conductor           small;
            conductor_identity  user=$arg_user role=$arg_role;
        }
    }
}

EOF_CONF

certificate($t);

$t->run();

# a channel

my %live;

for my $case ([ '/?user=ann', 0 ], [ '/?user=ann', 1 ],
              [ '/open', 0 ], [ '/open', 1 ])
{
    my ($path, $ssl) = @$case;
    my $on = "$path, " . ($ssl ? 'TLS' : 'plain');
    my $ws = $live{$on} = client($t, $path, $ssl);

    my $first = $ws->command({ type => 'subscribe', channel => 'd',
                               key => 's', id => 1 });
    is_deeply($first, { type => 'ack', id => 1, channel => 'd' },
        "$on: a channel is subscribed under a key");
    is_deeply(again($ws, 's', 'subscribe', 'd'), $first,
        "$on: a repeat is answered as the first was");
    is_deeply(again($ws, 's', 'subscribe', 'c'), $first,
        "$on: whatever channel it names");
    is_deeply(again($ws, 's', 'subscribe', 'none'), $first,
        "$on: even if there is none");
    is_deeply(again($ws, 's', 'unsubscribe', 'd'), $first,
        "$on: and whatever it would do");
    is(arrives($t, $ws), 1, "$on: of which nothing is done");

    my $off = again($ws, 'u', 'unsubscribe', 'd');
    is_deeply($off, $first, "$on: it is unsubscribed under another key");
    is(arrives($t, $ws), 0, "$on: which is done");
    $ws->command({ type => 'subscribe', channel => 'd' });
    is_deeply(again($ws, 'u', 'unsubscribe', 'd'), $off,
        "$on: a repeat of that is answered");
    is(arrives($t, $ws), 1, "$on: and not done");
    is(again($ws, 'n', 'subscribe', 'none')->{code}, 'unknown_channel',
        "$on: what fails is not kept");
    is(again($ws, 'n', 'subscribe', 'g')->{channel}, 'g',
        "$on: so its key is good for what does not");
}

# one that is gone

$t->write_file('nginx.conf',
    $t->read_file('nginx.conf') =~ s/channel g \{ \}//r);
ok(reload_workers($t), 'a reload removes a channel');

my $ws = $live{'/?user=ann, plain'};
ok(wait_for(sub {
    ($ws->command({ type => 'unsubscribe', channel => 'g' })->{code} // '')
        eq 'unknown_channel'
}), 'live clients have it no more');
is_deeply(again($ws, 'n', 'subscribe', 'g'), { type => 'ack', id => 1 },
    'a repeat is answered without its name');
is(again($ws, 's', 'subscribe', 'd')->{channel}, 'd',
    'and with that of another');

$_->drop() for values %live;

# more requests with keys under way than there is room for

my @ws = map { client($t, '/ws?user=ann&role=r', $_) } 0, 1;

my @open = map { start($t, "open $_") } 1 .. 600;
ok(wait_for(sub { (publish($t, { type => 'nope' }, path => '/small',
                           key => 'open 1'))[0] == 409 }),
    'many requests with keys are under way');

for my $ws (@ws) {
    my @first = map { full($ws, $_) } qw/ publish subscribe unsubscribe /;

    is(join(' ', map { $_->{type} } @first), 'ack ack ack',
        'commands with others are done');
    is_deeply([ map { full($ws, $_) } qw/ publish subscribe unsubscribe / ],
        \@first, 'and repeats answered');
}

is($ws[1]->command({ type => 'publish', event => { type => 'e', n => 1 } })
    ->{type}, 'ack', 'so is one without a key');
$ws[0]->command({ type => 'subscribe', channel => 'c' });
$ws[0]->command({ type => 'publish', event => { type => 'e', n => 2 } });
is($ws[0]->recv_until(sub { ($_->{n} // 0) == 2 })->{n}, 2, 'and arrives');
$_->close() for @open;
is_deeply([ map { $_->faults() } @ws, values %live ], [],
    'no client finds a fault');


# A client that is welcome.
sub client {
    my ($nginx, $path, $ssl) = @_;
    my $client = ws_connect($nginx, $path, ssl => $ssl);

    $client->recv_until('welcome');
    return $client;
}


# The answer to a command with a key.
sub again {
    my ($client, $key, $type, $channel) = @_;

    return $client->command({ type => $type, key => $key, id => 1,
                              channel => $channel });
}


# Whether an event of the channel d arrives, known by one of another behind it.
sub arrives {
    my ($nginx, $client) = @_;

    publish($nginx, [ { type => 'f' }, { type => 'e' } ]);

    my $first = $client->recv_until(sub { $_->{type} =~ /^[ef]\z/ });

    return 0 if $first->{type} eq 'e';
    return $client->recv_until('e') ? 1 : undef;
}


# A command under a key of its type.
sub full {
    my ($client, $type) = @_;

    return $client->command({ key => "full $type", type => $type, id => 1,
                              channel => 'c',
                              event => { type => 'e', n => 0 } });
}


# A request with a key whose body is not there yet.
sub start {
    my ($nginx, $key) = @_;

    return http("POST /small HTTP/1.1\x0d\x0aHost: localhost\x0d\x0a"
        . "Connection: close\x0d\x0aIdempotency-Key: $key\x0d\x0a"
        . "Content-Length: 18\x0d\x0a\x0d\x0a" . '{"type":', start => 1);
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
