#!/usr/bin/perl

# The offline queue in a browser: what is said without a connection is done
# when there is one, in its order, once, and for the user who said it.

use warnings;
use strict;

use JSON::PP qw//;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Client::Page;
use Test::Conductor;
use Test::Nginx qw/ :DEFAULT port /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_client(need_conductor(Test::Nginx->new()))->plan(25);

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
        event e { channel c; publish_roles writer; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_jwt_key         HS256 "the secret of this test, in 32 octets";
        conductor_limit_messages  off;

        location /ws {
            if (-f %%TESTDIR%%/away) {
                return 503;
            }

            conductor h;
        }

        location /admin { conductor_admin h; conductor_auth off; }

        %%PAGES%%
    }
}

EOF_CONF

$t->run();

my $auditor = ws_connect($t, '/ws', token => token('auditor'));
$auditor->recv_until('welcome');

my $browser = browser();
my $stored = 'localStorage.getItem("aivo_websocket_queue")';


# Over a reload of the page.

open_client('ann');
status_is($browser, 'connected');
away(1);
status_is($browser, 'waiting');
say_events(1 .. 5);
is(becomes($browser, 'queue.size', 5), 5, 'a page without a connection queues');

open_client('ann');
is(becomes($browser, 'queue.size', 5), 5, 'over a reload they are kept');

say_events(6);
away(0);
is(audited(6), '1 2 3 4 5 6', 'they are done when there is one, in order, once');
is(becomes($browser, 'queue.size', 0), 0, 'then the queue is empty');
is($browser->js('return promises[0]')->{reply}{type}, 'ack',
    'who still waits for it hears of it');

open_client('ann');
status_is($browser, 'connected');
say_events(7);
is(audited(7), '7', 'nothing is done again after another reload');


# Done, but nobody heard of it.

$browser->js('cut = "once"');
say_events(8);
is($browser->js('return promises[0]')->{reply}{type}, 'ack',
    'what was not answered is sent again');
say_events(9);
is(audited(9), '8 9', 'and was done once');

$browser->js('cut = "once"');
$t->write_file('away', '');
say_events(10);
is(audited(10), '10', 'something is done, and the page does not know');
open_client('ann');
is(becomes($browser, 'queue.size', 1), 1, 'it is kept over a reload');
away(0);
is(becomes($browser, 'queue.size', 0), 0, 'sent again');
say_events(11);
is(audited(11), '11', 'and not done again');


# Several tabs.

away(1);

my @tabs = map { tab($_) } 0 .. 2;

for my $i (0 .. 2) {
    $browser->page($tabs[$i]);
    say_events(map { 100 + 10 * $i + $_ } 1 .. 5);
}

is($browser->js("return JSON.stringify($stored).length > 500"), 1,
    'three tabs store what they have to say');

away(0);
wait_for(sub {
    !grep { $browser->page($_); $browser->js('return queue.size') } @tabs
}, 30);
is(join(' ', map { $browser->page($_); $browser->js('return queue.size') }
    @tabs), '0 0 0', 'all of it is sent');

say_events(200);

my @numbers = split ' ', audited(200);

is_deeply([ sort { $a <=> $b } @numbers ],
    [ 101 .. 105, 111 .. 115, 121 .. 125, 200 ], 'each is done once');

for my $i (0 .. 2) {
    my ($from, $to) = (100 + 10 * $i, 110 + 10 * $i);
    my @own = grep { $_ > $from && $_ < $to } @numbers;

    is_deeply(\@own, [ $from + 1 .. $from + 5 ], "in the order of tab $i");
}


# Another user of the same browser.

$browser->page($_), $browser->js('client.disconnect()') for @tabs;
$browser->page($tabs[0]);
open_client('ann', keep => 'position');
status_is($browser, 'connected');
away(1);
status_is($browser, 'waiting');
say_events(301, 302);
is(becomes($browser, 'queue.size', 2), 2, 'somebody leaves things to do');

open_client('bob', keep => 'position');
away(0);
is(status_is($browser, 'connected'), 'connected', 'somebody else comes');
is(becomes($browser, 'queue.size', 0), 0, 'for whom there is nothing to do');
say_events(303);
is(audited(303), '303', 'and nothing is done');

is($browser->js('return numbers().join(" ")'), '303',
    'nor do events come that were missed by the first');
is(becomes($browser, 'Object.values(localStorage)'
    . '.filter((text) => /ann|301/.test(text)).join(" ")', ''), '',
    'of whom nothing is kept');

unlike($browser->console(), qr/Uncaught/, 'no script failed');

$browser->stop();


sub token {
    my ($name) = @_;

    return jwt({ sub => $name, role => 'writer' },
        key => 'the secret of this test, in 32 octets');
}


# Whether there is a hub to connect to: who is connected is sent away.
sub away {
    my ($is) = @_;
    my $file = $t->testdir() . '/away';

    if (!$is) {
        unlink $file;
        return;
    }

    $t->write_file('away', '');

    for my $user (qw/ ann bob /) {
        my (undef, $list) = api($t, 'GET', "/admin/connections?user=$user");

        api($t, 'DELETE', "/admin/connections/$_->{connectionId}")
            for @{$list->{connections}};
    }
}


# A page with a queue, whose socket can be told to hear no answers.
sub open_client {
    my ($user, %options) = @_;

    client_page($browser);

    $browser->js(<<'EOF_JS', { %options, queue => {}, token => token($user) });
        window.cut = "";
        window.promises = [];

        class Cut extends WebSocket {
            send(data) {
                super.send(data);

                if (cut && data.includes('"publish"')) {
                    this.close();
                    cut = "";
                }
            }
        }

        begin({ ...arguments[0], WebSocket: Cut });
EOF_JS
}


sub tab {
    my ($i) = @_;
    my $page = $i ? $browser->page('new') : $browser->page();

    open_client('ann');
    return $page;
}


sub say_events {
    $browser->js('for (const n of arguments[0]) { promises.push(outcome('
        . 'client.send({ type: "publish", event: { type: "e", n } }))); }',
        \@_);
}


# The events that were published since the last time, until this one.
sub audited {
    my ($until) = @_;
    my @seen;

    while (my $event = $auditor->recv_until('e')) {
        push @seen, $event->{n};
        last if $event->{n} == $until;
    }

    return join ' ', @seen;
}
