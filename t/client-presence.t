#!/usr/bin/perl

# Two tabs of a browser see each other: who is there, where, and until when.

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

my $conf = client_conf(<<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      8m;
        presence  memory leave=300ms;
        history   events=1000 size=1m;
        drain     300ms;

        channel c { default on; }
        channel presence:updates { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_jwt_key HS256 "the secret of this test, in 32 octets";

        location /ws      { conductor h; }
        location /publish { conductor_publish h; conductor_auth off; }

        %%PAGES%%
    }
}

EOF_CONF

$t->write_file_expand('nginx.conf', $conf);
$t->run();

my $browser = browser();
my %page;

for my $name (qw/ alice bob /) {
    $page{$name} = keys %page ? $browser->page('new') : $browser->page();

    client_page($browser);
    begin($browser, presence => JSON::PP::true, token => token($name));
    is(status_is($browser, 'connected'), 'connected', "$name connects");

    $browser->js('window.end = conductor.trackNavigation(presence,'
        . ' { feature: (url) => url.pathname.match(/^\/features\/(.+)$/)?.[1]'
        . ' ?? (url.hash.slice(1) || null) })');
}

is(sees('alice', 'names()'), 'alice bob', 'alice sees both');
is(sees('bob', 'names()'), 'alice bob', 'so does bob');
is(sees('bob', 'presence.me?.reviewerId', 'bob'), 'bob', 'and who bob is');


# Where they are.

in('alice', 'history.pushState({}, "", "/features/search")');
is(sees('bob', feature(), 'search'), 'search', 'bob sees where alice goes');

in('alice', 'history.replaceState({}, "", "/features/login")');
is(sees('bob', feature(), 'login'), 'login', 'also by replaceState');

in('alice', 'location.hash = "top"; history.pushState({}, "", "/a#upload")');
is(sees('bob', feature(), 'upload'), 'upload', 'and by the hash');

in('alice', 'history.go(-2)');
is(sees('bob', feature(), 'login'), 'login', 'and by the way back');

in('alice', 'presence.set({ status: "busy" })');
is(sees('bob', 'presence.byId("alice")?.status', 'busy'), 'busy',
    'bob sees what alice says');
is(sees('bob', feature(), 'login'), 'login', 'and still where she is');

in('alice', 'end(); history.pushState({}, "", "/features/none")');
in('alice', 'presence.set({ status: "away" })');
is(sees('bob', 'presence.byId("alice")?.status', 'away')
    . sees('bob', feature(), 'login'), 'awaylogin',
    'who tracks no longer, stays');


# The same for both.

publish($t, { type => 'e', n => 1 });
is(sees('alice', 'numbers().join()', 1) . sees('bob', 'numbers().join()', 1),
    '11', 'an event comes to both');


# After a reload of the server, what was said is said again.

ok(reload_workers($t), 'nginx reloads');

in($_, 'window.before = presence.reviewers') for qw/ alice bob /;
publish($t, { type => 'e', n => 2 });
is(sees('alice', 'numbers().join()', '1,2')
    . sees('bob', 'numbers().join()', '1,2'), '1,21,2', 'both are back');
is(sees('bob', 'presence.byId("alice")?.status', 'away')
    . sees('bob', feature(), 'login'), 'awaylogin', 'and who is where is known');


# A tab is closed.

$browser->page($page{alice});
$browser->close_page();
is(sees('bob', 'presence.reviewers.filter(({ status }) => status !== "offline")'
    . '.map(({ reviewerId }) => reviewerId).join(" ")', 'bob'),
    'bob', 'who closes the tab is gone');

unlike($browser->console(), qr/Uncaught/, 'no script failed');

$browser->stop();


sub token {
    my ($name) = @_;

    return jwt({ sub => $name, role => 'reviewer' },
        key => 'the secret of this test, in 32 octets');
}


# In the page of somebody.
sub in {
    my ($who, $code) = @_;

    $browser->page($page{$who});
    return $browser->js("return void ($code)") if $code !~ /;/;
    return $browser->js($code);
}


# What somebody sees, once it is this.
sub sees {
    my ($who, $expression, $value) = @_;

    if ($expression eq 'names()') {
        $expression = 'presence.reviewers.map(({ reviewerId }) => reviewerId)'
            . '.sort().join(" ")';
        $value = 'alice bob';
    }

    $browser->page($page{$who});
    return becomes($browser, $expression, $value);
}


sub feature {
    return 'presence.byId("alice")?.currentFeature';
}
