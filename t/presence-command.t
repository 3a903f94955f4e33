#!/usr/bin/perl

# The command "presence-update", and who counts as a reviewer.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /))->plan(33);

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
        history  events=100 size=64k;
        presence memory leave=1s;
        channel  c { default on; }
    }

    conductor_hub without {
        zone     4m;
        history  events=100 size=64k;
        channel  c { default on; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor          h;
            conductor_identity user=$arg_user role=$arg_role;
        }

        location /anyone  { conductor h; conductor_auth off; }
        location /echo    { conductor h; conductor_auth off;
                            conductor_protocol echo; }
        location /without { conductor without; conductor_auth off; }

        location /health         { conductor_health h; }
        location /health-without { conductor_health without; }
    }
}

EOF_CONF

$t->run();
wait_for(sub { worker_pids($t) == workers() });

# what it answers

my $ws = client($t, '/?user=ann');

for my $case (
    [ { status => 'busy' }, 'a status' ],
    [ { currentFeature => 'search' }, 'a feature' ],
    [ { currentFeature => undef }, 'no feature' ],
    [ { currentFeature => '' }, 'an empty feature' ],
    [ { currentFeature => "caf\x{e9} \"x\" \\ \n" }, 'any characters' ],
    [ { currentFeature => 'x' x 128 }, 'a feature of 128 octets' ],
    [ { status => 'online', currentFeature => 'f' }, 'both' ],
    [ { status => 'away', more => [ 1 ] }, 'something more' ],
) {
    my $answer = update($ws, $case->[0]);
    is($answer->{type}, 'ack', "$case->[1] is taken");
}

for my $case (
    [ {}, '"status" or "currentFeature" is needed', 'nothing' ],
    [ { status => 'offline' },
      '"status" is "offline" only when the connection has ended', 'offline' ],
    [ { status => 'gone' }, '"status" must be "online", "away" or "busy"',
      'a status that does not exist' ],
    [ { status => 'Busy' }, '"status" must be "online", "away" or "busy"',
      'a capital letter' ],
    [ { status => 'x' x 100 }, '"status" must be "online", "away" or "busy"',
      'a long status' ],
    [ { status => undef }, '"status" must be "online", "away" or "busy"',
      'null as status' ],
    [ { status => 1 }, '"status" must be "online", "away" or "busy"',
      'a number as status' ],
    [ { currentFeature => 7 }, '"currentFeature" must be a string or null',
      'a number as feature' ],
    [ { currentFeature => [ 'a' ] },
      '"currentFeature" must be a string or null', 'a list as feature' ],
    [ { currentFeature => 'x' x 129 },
      '"currentFeature" is longer than 128 bytes', 'a feature of 129 octets' ],
    [ { status => 'busy', currentFeature => {} },
      '"currentFeature" must be a string or null',
      'a right status with a wrong feature' ],
) {
    my $answer = update($ws, $case->[0]);
    is("$answer->{code}: $answer->{error}", "bad_message: $case->[1]",
        "$case->[2] is not taken");
}

update($ws, { status => 'busy', key => 'k' });
is(update($ws, { status => 'gone', key => 'k' })->{type}, 'ack',
    'what was done under a key is not done again');

$ws->send_json({ type => 'presence-update', status => 'busy' });
$ws->send_json({ type => 'presence-update', status => 'wrong' });
is(($ws->recv_json())->{code}, 'bad_message',
    'without an id only an error is answered');

# in which hub

my $none = client($t, '/without');
my $answer = update($none, { status => 'busy' });
is("$answer->{code}: $answer->{error}", 'unavailable: this hub has no presence',
    'a hub without presence says so');
is((health($t, path => '/health-without'))[1]{reviewers}, undef,
    'and counts no reviewers');

# who counts

is(reviewers($t), 1, 'a user is a reviewer');

my @more = map { client($t, '/?user=ann') } 1 .. 5;
is(reviewers($t), 1, 'whatever the number of its connections');

my $bob = client($t, '/?user=bob');
is(reviewers($t), 2, 'another user is another one');

my @anyone = map { client($t, '/anyone') } 1 .. 3;
is(reviewers($t), 5, 'without an identity each connection is one');

my $echo = ws_connect($t, '/echo');
$echo->send_text('x');
$echo->recv_text();
is(reviewers($t), 5, 'with the echo protocol none is');

# who leaves

$_->close(1000) for @more, @anyone;
wait_for(sub { (health($t))[1]{connections} == 3 });
is(reviewers($t), 5, 'who has no connection left is there for a moment');
ok(wait_for(sub { reviewers($t) == 2 }), 'and then is not');

$bob->close(1000);
wait_for(sub { (health($t))[1]{connections} == 2 });
$bob = client($t, '/?user=bob');
is(reviewers($t), 2, 'who comes back in time');

my $after = ws_connect($t, '/?user=carl');
$after->recv_until('welcome');
$after->drop();
ok(wait_for(sub { reviewers($t) == 3 }) && wait_for(sub { reviewers($t) == 2 }),
    'is still there when one that left later is not');

is_deeply([ map { [ $_->faults() ] } $ws, $bob, $none ], [ [], [], [] ],
    'nobody was sent anything wrong');


sub client {
    my ($nginx, $uri) = @_;
    my $client = ws_connect($nginx, $uri);

    $client->recv_until('welcome');
    return $client;
}


sub update {
    my ($client, $fields) = @_;
    our $id;

    $client->send_json({ type => 'presence-update', id => ++$id, %$fields });

    my $answer = $client->recv_json();

    is(delete $answer->{id}, $id, 'the answer is that of the command')
        if $answer->{id} != $id;
    return $answer;
}


sub reviewers {
    my ($nginx) = @_;
    return (health($nginx))[1]{reviewers};
}
