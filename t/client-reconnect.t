#!/usr/bin/perl

# The browser package over whatever ends a connection: nothing is lost, nothing
# comes twice, and the states are those of what happens.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Client::Page;
use Test::Conductor;
use Test::Nginx qw/ :DEFAULT port /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_client(need_conductor(Test::Nginx->new()))->plan(22);

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
        state    %%TESTDIR%%/state;
        history  events=1000 size=1m;
        drain    300ms;

        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        location /ws      { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }

        %%PAGES%%
    }
}

EOF_CONF

$t->run();

my $published = 0;
my @ids;

my $browser = browser();

client_page($browser);
begin($browser);
is(status_is($browser, 'connected'), 'connected', 'a page connects');
is($browser->js('return states.join(" ")'), 'idle connecting connected',
    'by way of the states in between');

more(10);
is(heard(), 10, 'it hears what is published');


# A reload: clients are sent away with a time to come back.

after_fault('a reload', sub { ok(reload_workers($t), 'nginx reloads') });


# Workers that die.

$t->todo_alerts(killed());

after_fault('a crash', sub {
    my @pids = worker_pids($t);

    kill 'KILL', @pids;
    ok(wait_gone(\@pids), 'workers are killed');
});


# A restart.

after_fault('a restart', sub {
    $t->stop();
    is(status_is($browser, 'waiting'), 'waiting', 'nginx is away');
    ok($browser->js('return client.state.retryAt > 0'),
        'and it is known when the page tries again');
    $t->run();
});


# A network that the browser says is gone: after a few attempts, since the
# server is on the same machine, there is hardly any in vain, and one at once
# when it is there again.

after_fault('a time offline', sub {
    offline(1);
    more(5);
    is(heard(), $published, 'a connection is used as long as it lives');

    $t->stop();
    is(status_is($browser, 'waiting'), 'waiting', 'then the page waits');
    is(becomes($browser, 'client.state.retryAt - Date.now() > 10_000', 1, 20),
        1, 'without haste, as the browser is offline');

    $t->run();
    offline(0);
});


is_deeply($browser->js('return numbers()'), [ 1 .. $published ],
    'in the end, every event came once, in its order');

is_deeply($browser->js('return heard.map((m) => m.eventId).filter((id) => id)'),
    \@ids, 'as they were published');

is($browser->js('return heard.filter((m) => m.recovered === false).length'), 0,
    'and nothing else was said of any');

is($browser->js('return heard.filter((m) => m.type === "welcome").length'), 5,
    'over five connections');

$browser->stop();


sub more {
    my ($count) = @_;

    my ($status, $answer) = publish($t,
        [ map { { type => 'e', n => ++$published } } 1 .. $count ]);

    push @ids, @{$answer->{eventIds}};
    return $status;
}


# How many events the page has heard, once it should have all.
sub heard {
    return scalar @{heard_all($browser, $published, 20)};
}


# Something happens, and then all is as before.
sub after_fault {
    my ($what, $happens) = @_;

    more(10);
    $browser->js('states.length = 0');
    $happens->();

    wait_for(sub {
        ($browser->js('return states.at(-1)') // '') eq 'connected';
    }, 20);
    more(10);

    is(heard(), $published, "over $what nothing is lost");

    like($browser->js('return states.join(" ")'),
        qr/^waiting (?:connecting waiting )*connecting connected$/,
        "and the states of $what are shown");
}


sub offline {
    my ($is) = @_;

    $browser->devtools('Network.emulateNetworkConditions', {
        offline => $is ? JSON::PP::true : JSON::PP::false,
        latency => 0, downloadThroughput => -1, uploadThroughput => -1 });
}
