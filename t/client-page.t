#!/usr/bin/perl

# The browser package over the life of a page: loaded again, left and come back
# to, frozen, and used by somebody else afterwards.

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

my $t = need_client(need_conductor(Test::Nginx->new()))->plan(13);

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
        drain    300ms;

        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        location /ws      { conductor h; conductor_identity user=$arg_user; }
        location /publish { conductor_publish h; conductor_auth off; }
        location /other   { return 200 "another page"; }

        %%PAGES%%
    }
}

EOF_CONF

$t->run();

my $published = 0;
my $browser = browser();


# Loaded again, with events meanwhile.

open_client('ann');
is(status_is($browser, 'connected'), 'connected', 'a page connects');
more(5);
is(heard(), '1 .. 5', 'it hears what is published');

open_other();
more(5);
open_client('ann');
is(heard(), '6 .. 10', 'loaded again, it gets what it missed, and only that');
is($browser->js('return client.state.recovered'), 1, 'which is all');

open_client('ann');
more(1);
is(heard(), '11 .. 11', 'if it missed nothing, there is nothing');


# Left, and come back to: from the cache of the browser, or loaded again.

open_other();
more(5);
$browser->js('history.back()');
ok(wait_for(sub { $browser->js('return document.body?.dataset.ready') }),
    'somebody goes back');

my $cached = $browser->js('return !!window.client');

note($cached ? 'it was kept' : 'it was loaded again');
begin($browser, path => '/ws?user=ann', keep => 'position') unless $cached;
like(heard(), qr/^(?:11|12) \.\. 16$/, 'and has what was missed');


# Frozen, as in a tab that is not seen, while the server is replaced.

$browser->js('states.length = 0');
lifecycle('frozen');
more(5);
ok(reload_workers($t), 'nginx reloads while a page is frozen');
more(5);
lifecycle('active');
like(heard(), qr/^(?:11|12) \.\. 26$/, 'awake again, it has everything');
ok(wait_for(sub { $browser->js('return states.join(" ")') =~ /connected$/ }),
    'and a new connection');


# Somebody else, in the same browser.

open_other();
more(5);
open_client('bob');
is(status_is($browser, 'connected'), 'connected', 'somebody else comes');
more(1);
is(heard(), '32 .. 32', 'who does not get what another one missed');

open_client('ann');
status_is($browser, 'connected');
more(1);
is(heard(), '33 .. 33', 'and neither does the other, whose place is gone');

$browser->stop();


sub open_client {
    my ($user) = @_;

    client_page($browser);
    begin($browser, path => "/ws?user=$user", keep => 'position');
}


sub open_other {
    $browser->open('http://127.0.0.1:' . port(8080) . '/other');
}


sub lifecycle {
    my ($state) = @_;
    $browser->devtools('Page.setWebLifecycleState', { state => $state });
}


sub more {
    my ($count) = @_;

    publish($t, [ map { { type => 'e', n => ++$published } } 1 .. $count ]);
}


# Which events the page has heard.
sub heard {
    my @heard = @{heard_all($browser, $published)};

    return "@heard" if !@heard || @heard != $heard[-1] - $heard[0] + 1;
    return "$heard[0] .. $heard[-1]";
}
