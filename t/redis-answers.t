#!/usr/bin/perl

# What Redis says may be of any size, have no end, or make no sense: the keeper
# stays as large as it is, says what is wrong, and goes on when that is over.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Redis::Between;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $sense = qr/what it says is not what Redis says/;
my $large = qr/Redis gives an answer over 64 MB/;

my @cases = (
    # what it is, on which connection of a hub of its own, what comes, and then
    # for ever; why that is refused
    [ 'a line without an end', 'commands', '+', 'a', $sense ],
    [ 'a text of two gigabytes', 'commands', "\$2000000000\r\n", 'a', $large ],
    [ 'the length of a text without an end', 'reader', '$', '1', $sense ],
    [ 'a list of small things', 'commands', "*8000000\r\n", ":1\r\n", $large ],
    [ 'lists in lists', 'reader', '', "*1\r\n", $sense ],
    [ 'a list of billions', 'reader', "*4000000000\r\n", ":1\r\n", $large ],
    [ 'answers that nobody has asked for', 'commands', '', "+OK\r\n",
      $sense ],
);

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
                           ->has_daemon('redis-server'))
    ->plan(@cases + 8);

my $conf = <<'EOF_CONF';

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    %%HUBS%%

    server {
        listen 127.0.0.1:8080;

        location /publish { conductor_publish h7; }
        location /health  { conductor_health h7; }

        %%HEALTH%%
    }
}

EOF_CONF

my $hub = <<'EOF_CONF';
    conductor_hub %%HUB%% {
        zone 2m;
        history events=100 size=64k;
        state %%TESTDIR%%/%%HUB%%;
        redis redis://127.0.0.1:8379 timeout=500ms outbox=64k;
        channel c { default on; }
        event e { channel c; }
    }

EOF_CONF

my $health = "        location /%%HUB%% { conductor_health %%HUB%%; }\n";

$conf =~ s{%%HUBS%%}{join '', map { $hub =~ s/%%HUB%%/h$_/gr } 0 .. 7}e;
$conf =~ s{%%HEALTH%%}{join '', map { $health =~ s/%%HUB%%/h$_/gr } 0 .. 6}e;
$t->write_file_expand('nginx.conf', conductor_conf($conf));

my $redis = redis($t, port => 8380);
my $between = Test::Conductor::Redis::Between->new($t, $redis, port => 8379);

$t->run();

my @hubs = map { "h$_" } 0 .. $#cases;

ok(wait_for(sub { !grep { !is_connected($_) } @hubs, 'health' }, 10),
   'hubs have their Redis');

my $keeper = keeper_pid($t);
my $before = memory();

$between->says("h$_", @{$cases[$_]}[1 .. 3]) for 0 .. $#cases;

for my $i (0 .. $#cases) {
    my ($what, $kind, $text, $more, $why) = @{$cases[$i]};

    ok(wait_for(sub { said("h$i", $why) }, 5), "$what is too much");
}

my $tried = $redis->info('total_connections_received');

wait_for(sub { $redis->info('total_connections_received') > $tried + 60 }, 15);
is(scalar(grep { said("h$_", $cases[$_][4]) > 2 } 0 .. $#cases), 0,
   'what goes on is logged once');

$between->behave();
ok(wait_for(sub { !grep { !is_connected($_) } @hubs }, 10),
   'when it is over all are connected');

# Channels: messages that are none.

for my $more ("*3\r\n:1\r\n:1\r\n:1\r\n",
              "*3\r\n\$9\r\nsubscribe\r\n\$1\r\nx\r\n:1\r\n",
              "*3\r\n\$11\r\nunsubscribe\r\n\$1\r\nx\r\n+x\r\n")
{
    $between->says('h7', 'subscriber', '', $more, now => 1);
    goes_on();
    $between->behave();
    ok(goes_on(), 'nor does it mind messages that are none');
}

is(keeper_pid($t), $keeper, 'the keeper has lived through all that');

SKIP: {
    skip 'sanitizers keep memory of their own', 1
        if $t->configured() =~ /-fsanitize/;

    cmp_ok(memory(), '<', $before + 192 * 1024 * 1024,
           'and was never large');
}

# How often a hub has said that this is why it is alone.
sub said {
    my ($hub, $why) = @_;

    return scalar(() = $t->read_file('error.log')
                           =~ /hub "$hub" goes on alone: .*$why/g);
}


sub is_connected {
    my ($code, $body) = api($t, 'GET', "/$_[0]");
    return ref $body && $body->{redis} eq 'connected';
}


# The most that the keeper ever had, in octets.
sub memory {
    open my $f, '<', "/proc/$keeper/status" or return 0;

    return 1024 * (join('', <$f>) =~ /^VmHWM:\s+(\d+)/m)[0];
}


# Events get their places from Redis.
sub goes_on {
    return wait_for(sub {
        my ($code, $body) = publish($t, { type => 'e' });
        return $code == 200 && $body->{eventIds}[0] !~ /~/;
    }, 10);
}
