#!/usr/bin/perl

# The page of a started server in a browser, as two people see it.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Browser;
use Test::Conductor;
use Test::JWT;
use Test::Nginx qw/ :DEFAULT port /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/ http rewrite /)
    ->has_daemon('chromium')->has_daemon('chromedriver');

need_conductor($t)->plan(32);

my $secret = 'the secret of this test, in 32 bytes';

my $conf = conductor_conf(<<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        drain     1s;
        presence  memory;

        channel tasks:updates     { default on; }
        channel presence:updates  { default on; }

        event task-status-changed {
            require        taskId;
            redact         estimate unless_role=architect;
            publish_roles  architect;
        }

        event other {
            publish_roles  architect;
        }
    }

    types {
        text/html        html;
        text/css         css;
        text/javascript  js;
        image/svg+xml    svg;
    }

    server {
        listen  127.0.0.1:8080;

        conductor_jwt_key  HS256 "%%SECRET%%";
        conductor_refuse   close;

        location / {
            conductor   h optional;
            root        "%%PAGE%%";
        }

        location = /publish {
            conductor_publish  h;
        }
    }
}

EOF_CONF

$conf =~ s/%%SECRET%%/$secret/;
$conf =~ s!%%PAGE%%!$FindBin::Bin/../share/dashboard!;

$t->write_file_expand('nginx.conf', $conf);
$t->run();

my $url = 'http://127.0.0.1:' . port(8080) . '/';
my $browser = browser();
my $enter = "\x{e007}";

my %token = (
    alice => jwt({ sub => 'alice', role => 'architect' }, key => $secret),
    bob   => jwt({ sub => 'bob', role => 'reviewer' }, key => $secret),
);


# Two people.

my $alice = $browser->page();
$browser->open("$url#token=$token{alice}");
is(shows('#state', qr/^Connected$/), 'Connected', 'a page connects');
is($browser->text('#identity'), 'You are alice, architect', 'it says who');

my $bob = $browser->page('new');
$browser->open("$url#token=$token{bob}");
is(shows('#state', qr/^Connected$/), 'Connected', 'another one connects');
is($browser->js('return document.title'), "bob, reviewer \x{2013} Conductor",
    'its window can be told from the first');
like($browser->text('#empty'), qr/curl/, 'it says what to do');


# Who is here.

$browser->page($alice);
like(shows('#reviewers', qr/bob/),
    qr/alice \(you\)\s*architect\s+online.*bob\s*reviewer\s+online/s,
    'each sees who is here');
is($browser->text('#present'), '2', 'and how many');

$browser->type('#working', "search$enter");
$browser->click('#status option:last-child');
$browser->page($bob);
like(shows('#reviewers', qr/busy\s+search/),
    qr/alice\s*architect\s+busy\s+search/,
    'what one does is told to the other');


# Events.

$browser->page($alice);
$browser->type('#task', "T7$enter");
like(shows('#answer', qr/^[^P]|^Published/), qr/^Published/,
    'by the keyboard, an architect publishes');
like(shows('#events', qr/T7/), qr/^\S+\s+T7: InProgress \x{2192} InReview\n/,
    'who published sees the event');

$browser->page($bob);
like(shows('#events', qr/T7/), qr/^\S+\s+T7: InProgress \x{2192} InReview\n/,
    'and so does the other');
is($browser->text('#empty'), '', 'the hints have gone');

publish($t, { type => 'other', text => '<b id=x>bold</b>', n => [ 1 ] },
    token => $token{alice});
like(shows('#events', qr/other/), qr/n: \[1\]\s+text: <b id=x>bold<\/b>/,
    'an event of a program is shown as it is');
is($browser->text('#count'), '2', 'events are counted');

$browser->click('#publish button');
is(shows('#answer', qr/^Not/),
    'Not published: your role, reviewer, may watch but not publish this.',
    'a reviewer is told why not');


# What each sees.

$browser->type('#only', "none$enter");
like(shows('#filtered', qr/./), qr/^Other features are not sent/,
    'a page asks for one feature');

$browser->page($alice);
$browser->type('#task', 'T8');
$browser->type('#estimate', "five$enter");
like(shows('#events', qr/T8/), qr/^\S+\s+T8: .*estimate: five/s,
    'an architect sees a field for architects');

$browser->page($bob);
$browser->type('#only', " $enter");
is(shows('#filtered', qr/^$/), '', 'and for all again');
unlike($browser->text('#events'), qr/T8/, 'what was filtered was not sent');

$browser->page($alice);
$browser->type('#task', "T9$enter");
like(shows('#events', qr/T9/), qr/^\S+\s+T9: .*estimate: five/s, 'so is the next');

$browser->page($bob);
like(shows('#events', qr/T9/), qr/T9/, 'which comes now');
unlike($browser->text('#events'), qr/five/, 'a reviewer does not see it');


# A server that goes and comes back.

reload_workers($t);
like(shows('#events', qr/Connected again/), qr/Nothing was missed/,
    'over a reload the page comes back and has all');
like($browser->text('#reviewers'), qr/alice\s*architect\s+busy\s+search/,
    'and who is here is what it was');

$t->stop();
like(shows('#state', qr/cannot be reached/), qr/^The server cannot be reached/,
    'a server that is away is told of');

$t->run();

# it may find it by itself, and the button is gone then: only then

if ($browser->text('#again') ne '') {
    eval { $browser->click('#again'); 1 }
        or $browser->text('#again') eq '' or die $@;
}

is(shows('#state', qr/^Connected$/), 'Connected', 'and found again');
like(shows('#events', qr/Connected again\. Events/),
    qr/Connected again\. Events of the time in/,
    'that events may be missing is said');


# Links that are no good.

$browser->open('about:blank');
$browser->open($url);
like(shows('#state', qr/token/), qr/no token.* Open a link that/,
    'a link without a token is told of');

my $old = jwt({ sub => 'alice', exp => time() - 60 }, key => $secret);
$browser->open("$url#token=$old");
like(shows('#state', qr/expired/), qr/has expired.* Open a link that/,
    'so is an old one');


# Whoever it is for.

is($browser->js('return [...document.querySelectorAll("input, select")]'
    . '.filter((e) => !e.labels.length).length'), 0, 'every field has a label');

$browser->devtools('Emulation.setDeviceMetricsOverride', { width => 320,
    height => 640, deviceScaleFactor => 1, mobile => JSON::PP::true });
ok($browser->js('return document.documentElement.scrollWidth <= 320'),
    'it fits on a small phone');

unlike($browser->console(), qr/Uncaught|Content Security Policy/,
    'no script failed and none was held back');

$browser->stop();


# The text of an element, once it matches or after ten seconds.
sub shows {
    my ($css, $re) = @_;
    my $text;

    wait_for(sub { ($text = $browser->text($css)) =~ $re });
    return $text;
}
