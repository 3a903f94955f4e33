#!/usr/bin/perl

# What the server refuses, as the browser package tells it: commands that are
# wrong or too many, and a queue that goes on when it may.

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

my $t = need_client(need_conductor(Test::Nginx->new()))->plan(18);

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
        drain    1s;

        channel c     { default on; }
        channel extra { }
        channel staff { roles admin; }

        event e { channel c; require n; publish_roles writer; }
        event x { channel extra; publish_roles writer; }
        event s { channel staff; publish_roles admin; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_identity  user=$arg_user role=$arg_role;
        conductor_refuse    close;

        location /ws    { conductor h; conductor_limit_messages off; }
        location /few   { conductor h; conductor_limit_messages 3 per=2s; }
        location /flood { conductor h; conductor_limit_messages 2 per=60s
                                                         close_after=4; }

        %%PAGES%%
    }
}

EOF_CONF

$t->run();

my $browser = browser();


# Commands.

client_page($browser);
begin($browser, path => '/ws?user=ann&role=writer');
status_is($browser, 'connected');

is(says({ type => 'publish', event => { type => 'e', n => 1 } }), 'ack',
    'what is right is done');
is(says({ type => 'publish', event => { type => 'e' } }), 'bad_message',
    'what is not is refused, with the code of the server');
is(says({ type => 'publish', event => { type => 's' } }), 'forbidden',
    'so is what a role may not');
is(says({ type => 'nothing' }), 'unknown_type', 'and what is unknown');
is($browser->js('return outcome(client.subscribe("none"))')->{code},
    'unknown_channel', 'and a channel that there is not');
is(says({ type => 'publish', event => { type => 'e', n => 2,
    text => 'x' x 70_000 } }), 'too_large',
    'what is too large is not even sent');
is($browser->js('return client.state.status'), 'connected',
    'and costs nothing else');


# What is subscribed outlives a connection.

$browser->js('return client.subscribe("extra", { kind: ["a", "b"] })');
ok(reload_workers($t), 'nginx reloads');
ok(wait_for(sub {
    $browser->js('return states.join()') =~ /waiting.*connected$/;
}, 20), 'the page comes back');

says({ type => 'publish', event => { type => 'x', n => $_->[0],
    kind => $_->[1] } }) for [ 11, 'a' ], [ 12, 'c' ], [ 13, 'b' ];

is(becomes($browser, 'numbers().join(" ")', '1 11 13'), '1 11 13',
    'a subscription, and its filter, outlive a connection');


# Too much.

client_page($browser);
begin($browser, path => '/few?user=ann&role=writer');
status_is($browser, 'connected');

my $last = $browser->js('return Promise.all([1, 2, 3, 4].map((n) => outcome('
    . 'client.send({ type: "publish", event: { type: "e", n } }))))')->[3];

is($last->{code}, 'rate_limited', 'over the rate, a promise is rejected');
ok($last->{rateLimited}, 'which can be asked for');
cmp_ok($last->{retryAfterMs}, '<=', 2000, 'and it is said when to go on');
cmp_ok($last->{retryAfterMs}, '>', 0, 'indeed');

client_page($browser);
begin($browser, path => '/few?user=bob&role=writer', queue => {});
status_is($browser, 'connected');

my $all = $browser->js('return Promise.all([1, 2, 3, 4, 5, 6, 7, 8]'
    . '.map((n) => outcome(client.send({ type: "publish",'
    . ' event: { type: "e", n: 100 + n } }))))');

is(scalar(grep { ($_->{reply}{type} // '') eq 'ack' } @$all), 8,
    'with a queue, everything is done in the end');
is(join(' ', @{heard_all($browser, 108)}), join(' ', 101 .. 108),
    'in order, once');


# Much too much.

client_page($browser);
begin($browser, path => '/flood?user=eve&role=writer');
status_is($browser, 'connected');

$browser->js('for (let n = 0; n < 20; n++) {'
    . ' void outcome(client.send({ type: "ping" })); }');
is(status_is($browser, 'waiting'), 'waiting', 'who floods is closed');
is($browser->js('return client.state.error.code'), 4429, 'and told why');

$browser->stop();


# What becomes of a command: the type of the answer, or the code.
sub says {
    my ($command) = @_;
    my $outcome = $browser->js('return outcome(client.send(arguments[0]))',
        $command);

    return $outcome->{code} // $outcome->{reply}{type};
}
