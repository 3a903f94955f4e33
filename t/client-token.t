#!/usr/bin/perl

# The tokens of the browser package: renewed before they end, fetched anew when
# they were refused, and what is refused for good is not tried again.

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

my $t = need_client(need_conductor(Test::Nginx->new()))->plan(26);

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
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_jwt_key  HS256 "the secret of this test, in 32 octets";
        conductor_refuse   close;

        location /ws        { conductor h; }
        location /http      { conductor h; conductor_refuse http; }
        location /architect { conductor h; conductor_require_role architect; }
        location /one       { conductor h; conductor_limit_user 1; }
        location /publish   { conductor_publish h; conductor_auth off; }
        location /admin     { conductor_admin h; conductor_auth off; }
        location /token     { alias %%TESTDIR%%/token; }

        %%PAGES%%
    }
}

EOF_CONF

$t->run();

my $published = 0;
my $browser = browser();


# The token of this page ends while the others are tested.

my $renewed = $browser->page();

client_page($browser);

my $end = time() + 10;

$t->write_file('token-zoe', token('zoe', exp => $end));
begin($browser, tokenFrom => '/token-zoe');
is(status_is($browser, 'connected'), 'connected', 'a token is fetched');

my $first = connection();

$t->write_file('token-zoe', token('zoe'));
$browser->page('new');


# Not renewed: the server closes, and a new one is fetched at once.

client_page($browser);
give(token('ann', exp => time() + 4));
begin($browser, tokenFrom => '/token', delays => [ 2000 ]);
is(status_is($browser, 'connected'), 'connected', 'another token is fetched');

$browser->js('states.length = 0; window.held = client.state.welcome');
ok(wait_for(sub { $browser->js('return states.includes("waiting")') }, 20),
    'it ends, as no other comes');
is($browser->js('return client.state.error?.code'), 4401,
    'which is what the server says');

publish_more(5);
give(token('ann'));
is(status_is($browser, 'connected', 30), 'connected',
    'when there is another, the page is back');
is(more(1), '1 .. 6', 'and has what it missed');


# A token that is given cannot be renewed, but replaced.

open_client(token => token('ann', exp => time() - 60));
is(status_is($browser, 'closed'), 'closed', 'an old token is the end');
is(error(), '4401 token_expired final', 'and why is said');
is(later('states.join(" ")'), 'idle connecting closed',
    'it is not tried again');

$browser->js('client.setToken(arguments[0])', token('ann'));
is(status_is($browser, 'connected'), 'connected', 'another token is another try');

$browser->js('window.held = client.state.welcome.connectionId');
$browser->js('client.setToken(arguments[0])', token('bob'));
is(becomes($browser, 'client.state.welcome.userId', 'bob'), 'bob',
    'that of another user is another connection');
isnt(connection(), $browser->js('return held'), 'indeed');


# Refused for good.

open_client(path => '/architect', token => token('ann'));
is(status_is($browser, 'closed'), 'closed', 'a role may be refused');
is(error(), '4503 bad_role final', 'and it is said which way');

open_client(tokenFrom => '/token');
is(status_is($browser, 'connected'), 'connected', 'a user is there');

api($t, 'POST', '/admin/revocations', body => JSON::PP->new->encode(
    { user => 'ann', until => 1000 * (time() + 3600) }));
is(status_is($browser, 'closed'), 'closed', 'and can be revoked');
is(error(), '4500 revoked final', 'which is final');


# Refused for now.

open_client(path => '/one', token => token('eve'));
status_is($browser, 'connected');

$browser->js('window.first = client; begin(arguments[0])',
    { path => '/one', token => token('eve') });
is(status_is($browser, 'waiting'), 'waiting', 'a second connection waits');
cmp_ok($browser->js('return client.state.retryAt - Date.now()'), '>', 2000,
    'for as long as the server says');

$browser->js('first.disconnect(); client.disconnect()');
is($browser->js('return client.state.status'), 'idle',
    'who is told not to wait does not');

open_client(path => '/http', token => 'none');
is(becomes($browser, 'client.state.attempts > 1', 1), 1,
    'an answer that a browser cannot see is tried again');



# In time, another one was fetched.

$browser->page($renewed);
ok(wait_for(sub { time() > $end + 1 }, 15), 'by now, the first token has ended');
is(becomes($browser, 'fetched.length', 2), 2, 'there is a second');
cmp_ok($browser->js('return fetched[1]'), '<', $end * 1000,
    'from before that');

more(1);
is(connection(), $first, 'with which the connection has gone on');
is($browser->js('return states.join(" ")'), 'idle connecting connected',
    'without a pause');

$browser->stop();


sub token {
    my ($name, %claims) = @_;

    return jwt({ sub => $name, role => 'reviewer', %claims },
        key => 'the secret of this test, in 32 octets');
}


# What the page gets when it fetches a token.
sub give {
    my ($token) = @_;
    $t->write_file('token', $token);
}


sub open_client {
    client_page($browser);
    begin($browser, @_);
}


sub connection {
    return $browser->js('return client.state.welcome.connectionId');
}


sub error {
    return $browser->js('const { code, reason, final } = client.state.error;'
        . 'return `${code} ${reason} ${final ? "final" : ""}`');
}


# An expression, after as much time as a first pause takes at most.
sub later {
    my ($expression) = @_;

    return $browser->js('return new Promise((done) => setTimeout('
        . "() => done($expression), 300))");
}


sub publish_more {
    my ($count) = @_;

    publish($t, [ map { { type => 'e', n => ++$published } } 1 .. $count ]);
}


# Publishes, and says which of all these the page has heard.
sub more {
    publish_more(@_);

    my @heard = @{heard_all($browser, $published)};

    return "$heard[0] .. $heard[-1]" if @heard == $heard[-1] - $heard[0] + 1;
    return "@heard";
}
