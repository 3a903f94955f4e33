#!/usr/bin/perl

# Connections are listed while they come and go, while workers are killed and
# while nginx is reloaded: every answer is one, and nobody else dies of it.

use warnings;
use strict;

use POSIX qw//;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

use constant ROUNDS => 4;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->plan(3 * ROUNDS + 5);

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
        zone 4m;
        history size=256k;
        drain 0s;
        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_limit_conn off;
        conductor_auth off;

        location /        { conductor h; add_header X-Worker $pid always; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
        location /admin   { conductor_admin h; }
    }
}

EOF_CONF

$t->run();
wait_for(sub { worker_pids($t) == workers() });

###############################################################################

# Three that ask all the time, each for its own pages, and write down what was
# wrong.

my @askers = map { asker($t, $_) } (1, 7, 100);
my %killed;

for my $round (1 .. ROUNDS) {
    my $many = many_clients($t, 40);
    $many->wait_each(1, 'welcome');

    publish($t, { type => 'e', n => $_ }) for 1 .. 5;
    $many->wait_each(5, 'e');

    my ($victim) = worker_pids($t);
    $killed{$victim} = 1;
    kill KILL => $victim;
    $many->close();

    ok(wait_for(sub { (health($t))[1]{connections} == 0 }, 20),
        'all have left, or are given back');
    ok(wait_for(sub { worker_pids($t) == workers() }), 'there are workers');

    my @new = map { ws_connect($t, '/') } 1 .. 5;
    $_->recv_until('welcome') for @new;

    my (undef, $said) = api($t, 'GET', '/admin/connections');
    is(scalar(grep { !$_->{stale} && $_->{sent}{messages} == 1 }
              @{$said->{connections}}), 5, 'those that come are listed');

    $_->drop() for @new;
    $t->reload() if $round == ROUNDS / 2;
}

kill TERM => map { $_->{pid} } @askers;
waitpid $_->{pid}, 0 for @askers;

my @wrong = map { split /\n/, $t->read_file($_->{file}) } @askers;
my $asked = grep { /^asked/ } @wrong;
@wrong = grep { !/^asked/ } @wrong;

ok($asked > 30, 'so often it was asked') or diag($asked);
is_deeply(\@wrong, [], 'and each answer was one');

my %died = map { $_ => 1 }
    $t->read_file('error.log') =~ /process (\d+) exited on signal/g;

is_deeply([ grep { !$killed{$_} } sort keys %died ], [],
    'nobody died but who was killed');
is(scalar keys %died, ROUNDS, 'who all did');

my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');
is((api($t, 'GET', '/admin/connections'))[1]{count}, 1, 'one is left');


###############################################################################

# A process that lists connections, page by page, until it is told to stop.
sub asker {
    my ($t, $limit) = @_;
    my $file = "asker$limit";

    $t->write_file($file, '');
    my $pid = fork() // die "cannot fork: $!\n";
    return { pid => $pid, file => $file } if $pid;

    my $stop = 0;
    local $SIG{TERM} = sub { $stop = 1 };
    open my $out, '>>', $t->testdir() . "/$file" or POSIX::_exit(1);
    $out->autoflush(1);

    while (!$stop) {
        my ($cursor, %seen) = ('');

        while (defined $cursor && !$stop) {
            my ($code, $said) = eval { api($t, 'GET', "/admin/connections"
                . "?limit=$limit$cursor") };

            # who asks a worker that is killed gets no answer

            last unless $code;
            print $out ref $said && $code == 200 ? "asked\n" : "$code\n";
            last unless ref $said;

            print $out "twice\n" if grep { $seen{$_->{connectionId}}++ }
                                         @{$said->{connections}};
            $cursor = $said->{cursor} ? "&cursor=$said->{cursor}" : undef;
        }

        select undef, undef, undef, 0.05;
    }

    POSIX::_exit(0);
}
