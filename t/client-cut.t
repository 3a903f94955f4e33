#!/usr/bin/perl

# The browser package when packets are lost without a word: it notices by
# itself, and has everything when the network is there again.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Client::Page;
use Test::Conductor;
use Test::Conductor::Net;
use Test::Nginx qw/ :DEFAULT port /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

own_network();

my $t = need_client(need_conductor(Test::Nginx->new()))->plan(12);

$t->write_file_expand('nginx.conf', client_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     8m;
        history  events=1000 size=1m;

        channel c { default on; }
        event e { channel c; publish_roles system; }
    }

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.2:%%PORT_8080%%;

        location /ws      { conductor h; conductor_identity user=$arg_user
                                                       role=$arg_role; }
        location /publish { conductor_publish h; conductor_auth off; }

        %%PAGES%%
    }
}

EOF_CONF

$t->run();

# a browser takes itself to be online as long as there is a cable

my $cable = Test::Conductor::Net->new($t)->cable();

my $published = 0;
my $browser = browser();

client_page($browser, 'http://127.0.0.2:' . port(8080) . '/page/');
begin($browser, path => '/ws?user=ann&role=system', queue => {},
    connectTimeout => 1000, timeout => 1000);
is(status_is($browser, 'connected'), 'connected', 'a page connects');

more(10);
is(heard(), 10, 'it hears what is published');


# Nothing gets through any more, and nobody says so.

$browser->js('states.length = 0');
network('add');
more(10);

$browser->js('window.sent = outcome(client.send({ type: "publish",'
    . ' event: { type: "e", n: 21 } }))');
$published++;

is(status_is($browser, 'waiting', 30), 'waiting',
    'a page to which nobody answers asks, and then waits');

network('del');
is(status_is($browser, 'connected', 30), 'connected',
    'when packets get through, it is back');
is($browser->js('return sent.then(({ reply }) => reply?.type)'), 'ack',
    'what it sent meanwhile is done');

more(10);
is(heard(), 31, 'nothing is lost');


# A cable is pulled, which the browser notices.

network('add');
$cable->pull();
is(becomes($browser, 'String(navigator.onLine)', 'false'), 'false',
    'the browser is offline');
is(status_is($browser, 'waiting', 30), 'waiting', 'so the page asks at once');
more(10);

network('del');
$cable->plug();
is(status_is($browser, 'connected', 30), 'connected',
    'online again, it is back');
more(10);
heard();

is_deeply([ sort { $a <=> $b } @{$browser->js('return numbers()')} ],
    [ 1 .. 51 ], 'nothing is lost, nor doubled');

is($browser->js('return heard.filter((m) => m.recovered === false).length'), 0,
    'which the server confirms');

like($browser->js('return states.join(" ")'),
    qr/^(?:(?:waiting connecting )+connected ?){2}$/, 'the states are shown');

$browser->stop();


# Cuts the way to 127.0.0.2, in both directions, or mends it.
sub network {
    my ($verb) = @_;

    system("ip route $verb blackhole 127.0.0.2/32 table local") == 0
        or die "ip route failed\n";
}


sub more {
    my ($count) = @_;

    publish($t, [ map { { type => 'e', n => ++$published } } 1 .. $count ]);
}


sub heard {
    return scalar @{heard_all($browser, $published, 20)};
}
