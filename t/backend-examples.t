#!/usr/bin/perl

# The examples of back ends, in Node, Python and PHP: what they answer, and
# what a hundred and fifty quick calls get.

use warnings;
use strict;

use Cwd qw/ realpath /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Example;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy fastcgi /))
    ->has_daemon('node')->has_daemon('python3')->has_daemon('php-cgi')
    ->plan(24);

my $key = $ENV{JWT_SECRET} = 'a secret of at least thirty-two bytes';

$ENV{PORT} = port(8081);

my %listen = ('listen  8080;' => 'listen 127.0.0.1:8080;');
my $dir = realpath('../conf-examples');

answers($t, 'Node', 'node', "$dir/backend-node/server.js");
answers($t, 'Python', 'python3', "$dir/backend-python/server.py");

example_conf($t, 'backend-php.conf', %listen,
    '127.0.0.1:9000' => '127.0.0.1:8082',
    '/srv/backend-php' => "$dir/backend-php",
    'LESSONS_DIR     /var/lib/lessons' =>
        'LESSONS_DIR ' . $t->testdir() . '/lessons');
mkdir $t->testdir() . '/lessons', 0700;
$ENV{PHP_FCGI_CHILDREN} = 2;
$t->run_daemon('php-cgi', '-b', '127.0.0.1:' . port(8082));
$t->waitforsocket('127.0.0.1:' . port(8082));
$t->run();
lesson($t, 'PHP');

# what the hub answers itself, as often as the rate allows

my $ws = client($t, 'eve');
my (%session, %code, %said);

$ws->send_json({ type => 'agent:learning', action => 'start_session',
                 id => $_ }) for 1 .. 150;

for (1 .. 150) {
    my $m = $ws->recv_until(sub { $_->{type} =~ /^(?:ack|error)$/ });

    if ($m->{type} eq 'ack') {
        $session{$m->{sessionId}}++;

    } else {
        $code{$m->{code}}++;
        $said{$m->{error}}++ if $m->{rateLimited} && $m->{retryAfterMs};
    }
}

is_deeply([ values %session ], [ 100 ],
    'of 150 quick calls 100 get the one session');
is_deeply(\%code, { rate_limited => 50 }, 'and 50 are too many');
is_deeply(\%said, { 'Rate limit exceeded. Please slow down.' => 50 },
    'and are told so');

###############################################################################


# An example of a back end that listens by itself.
sub answers {
    my ($t, $name, @command) = @_;

    example_conf($t, 'backend.conf', %listen);

    $t->run_daemon(@command);
    $t->waitforsocket('127.0.0.1:' . port(8081));
    $t->run();

    lesson($t, $name);

    $t->stop();
    $t->stop_daemons();
}


# What a client of it gets.
sub lesson {
    my ($t, $name) = @_;
    my $ws = client($t, 'ann');
    my $other = client($t, 'bob');

    ok($ws->is_open(), "$name: clients are welcome");

    is(learn($ws, 'next_lesson')->{lesson}, 'intro',
        "$name: a lesson is the answer");
    is(learn($ws, 'finish_lesson')->{finished}, 1, "$name: it is finished");

    my $event = $other->recv_until('lesson-finished');
    is("$event->{userId} $event->{lesson}", 'ann intro',
        "$name: which everybody hears");
    is(learn($ws, 'next_lesson')->{lesson}, 'practice',
        "$name: the next one comes");
    is(learn($other, 'next_lesson')->{lesson}, 'intro',
        "$name: to the other client its own");
    is_deeply([ @{learn($ws, 'sing')}{qw/ ok reason /} ],
        [ JSON::PP::false(), 'unknown action' ],
        "$name: what it does not know is answered");

    $_->close() for $ws, $other;
}


sub client {
    my ($t, $user) = @_;
    my $ws = ws_connect($t, '/ws', token => jwt({ sub => $user,
        role => 'learner' }, key => $key));

    $ws->recv_until('welcome');
    return $ws;
}


# What an action is answered.
sub learn {
    my ($ws, $action) = @_;

    $ws->send_json({ type => 'agent:learning', action => $action, id => 'x' });
    return $ws->recv_until('ack');
}
