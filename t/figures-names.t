#!/usr/bin/perl

# The names of events that are counted: kept over reloads, until none is left.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(13);

my $conf = conductor_conf(<<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 4m;
        history events=1000 size=256k;
        drain 500ms;

        channel c { default on; }
        EVENTS
    }

    conductor_auth off;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

configure($t, qw/ a b /);
$t->run();

my $ws = ws_connect($t, '/');
send_all($t, $ws, qw/ a b b /);
is_deeply(sent($t), { a => 1, b => 2 }, 'events are counted by name');

# other events, in another order

configure($t, qw/ c b d a /);
my @old = reload_workers($t);
$ws->expect_close();
ok(wait_gone(\@old), 'a reload has more of them');
is_deeply(sent($t), { a => 1, b => 2 }, 'what is counted stays');

$ws = ws_connect($t, '/');
send_all($t, $ws, qw/ a b c c c d /);
is_deeply(sent($t), { a => 2, b => 3, c => 3, d => 1 },
    'and goes on under its name');

# more than there is room for

my @many = map { "n$_" } 1 .. 70;
configure($t, @many, 'a');
@old = reload_workers($t);
$ws->expect_close();
ok(wait_gone(\@old), 'then there are more events than it has room for');

$ws = ws_connect($t, '/');
send_all($t, $ws, @many, 'a');

my %count = %{sent($t)};
is($count{a}, 3, 'who has a place keeps it');
is($count{b}, 3, 'also while it is not there');
is(scalar(grep { $count{$_} } @many), 60, 'others get one while there are');
is($count{other}, 10, 'the rest is counted together');

my $log = $t->read_file('error.log');
like($log, qr/\[warn\].*no figure left for event "n61"/,
    'the log says of which');
unlike($log, qr/no figure left for event "n60"/, 'and of no other');
unlike($log, qr/keeps the history/, 'nor of a history that is the same');

configure($t, qw/ b n70 n1 /);
@old = reload_workers($t);
$ws->expect_close();
wait_gone(\@old);

$ws = ws_connect($t, '/');
send_all($t, $ws, qw/ n1 n70 b /);

$count{$_}++ for qw/ n1 other b /;
is_deeply(sent($t), \%count, 'so it stays until a restart');


sub configure {
    my ($nginx, @names) = @_;
    my $events = join "\n", map { "        event $_ { channel c; }" } @names;

    (my $text = $conf) =~ s/EVENTS/$events/;
    $nginx->write_file_expand('nginx.conf', $text);
}


# Publishes events one by one, and waits until a client has them.
sub send_all {
    my ($nginx, $client, @names) = @_;

    $client->recv_until('welcome');
    publish($nginx, { type => $_ }) for @names;
    $client->recv_until($_) for @names;
}


# Events that were sent, by name.
sub sent {
    my ($nginx) = @_;
    my %sent = %{(health($nginx, path => '/health?figures=1'))[1]
                 ->{figures}{messagesSent}};

    delete @sent{qw/ welcome /};
    return \%sent;
}
