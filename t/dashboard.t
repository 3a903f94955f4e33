#!/usr/bin/perl

# The dashboard of a started server: what two people see and do on it.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Browser;
use Test::Conductor;
use Test::Conductor::Start;
use Test::Nginx;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/ http rewrite realip gzip map /)
    ->has_daemon('chromium')->has_daemon('chromedriver');

need_conductor($t)->plan(36);

start_conf($t);
$t->run();

my $browser = browser();
my $enter = "\x{e007}";


# Two people, side by side.

my $alice = $browser->page();
$browser->open(start_url('alice'));
is(shows('#state', qr/^Connected$/), 'Connected', 'alice is connected');

my $bob = $browser->page('new');
$browser->open(start_url('bob'));
is(shows('#state', qr/^Connected$/), 'Connected', 'bob is connected');
like(shows('#reviewers', qr/alice/), qr/alice.*architect.*bob.*reviewer/s,
    'he sees both with their roles');
like($browser->text('#reviewers'), qr/online.*online/si, 'and their status');
like(shows('#quality', qr/Excellent|Good|Fair|Poor/),
    qr/\d+ ?ms/, 'and how good his connection is');

$browser->page($alice);
$browser->type('#working', "search$enter");
$browser->click('#status option:last-child');
$browser->page($bob);
like(shows('#reviewers', qr/busy.*search/si), qr/search/,
    'he is told what she is doing');


# An event, as each may see it.

$browser->page($alice);
$browser->type('#estimate', "5 days$enter");
like(shows('#answer', qr/^Published/), qr/everyone connected/,
    'alice publishes');
like(shows('#events', qr/T01/), qr/estimate: 5 days/, 'she sees all of it');

$browser->page($bob);
like(shows('#events', qr/T01/), qr/^\S+\s+T01: InProgress \x{2192} InReview\n/,
    'bob sees it, too');
unlike($browser->text('#events'), qr/5 days/, 'but not the estimate');
like($browser->text('.foot'), qr/as the role reviewer may see it/,
    'and is told that there may be more');

$browser->click('#type option:last-child');
$browser->type('#comment', "Reads well$enter");
like(shows('#answer', qr/^Published/), qr/^Published/, 'he reviews a feature');
like(shows('#events', qr/Reads well/), qr/Review: approved/, 'and sees that');

$browser->click('#type option:first-child');
$browser->click('#publish button');
is(shows('#answer', qr/^Not/),
    'Not published: your role, reviewer, may watch but not publish this.',
    'what he may not, he is told');


# The list held still.

$browser->click('#pause');
$browser->page($alice);
event('P1');
event('P2');
shows('#events', qr/P2/);

$browser->page($bob);
is(shows('#waiting', qr/^2/), '2 new wait', 'a pause counts what comes');
unlike($browser->text('#events'), qr/P1/, 'and does not show it');
$browser->click('#pause');
like(shows('#events', qr/P2/), qr/P2.*P1/s, 'until it ends');
is($browser->text('#waiting'), '', 'and then nothing waits');


# What the server sends, and what it does not.

$browser->click('#only-type option:last-child');
is(shows('#filtered', qr/./), 'Other types are not sent to this page.',
    'one type is asked of the server');
unlike($browser->text('#events'), qr/P1/, 'others are not shown');
like($browser->text('#events'), qr/Review/, 'it is');

$browser->page($alice);
event('F1');
shows('#events', qr/F1/);

$browser->page($bob);
$browser->click('#only-type option:first-child');
is(shows('#filtered', qr/^$/), '', 'all are asked for again');
unlike($browser->text('#events'), qr/F1/, 'what was not sent is not there');


# Back through history.

$browser->click('#replay');
like(shows('#replay-text', qr/Event \d/), qr/^History Event (\d+) of \1,/,
    'history is had from the server');
like($browser->text('#events'), qr/F1.*P2.*P1.*Review.*T01/s,
    'all of it, with what had not been sent');
unlike($browser->text('#events'), qr/5 days/, 'as his role may see it');

event('L1', $alice);
$browser->page($bob);
is(shows('#waiting', qr/^1/), '1 new wait', 'what comes meanwhile waits');

set_position(2);
like(shows('#replay-text', qr/Event 2/), qr/Event 2 of \d+, as of \d\d:/,
    'any moment of it can be looked at');
unlike($browser->text('#events'), qr/P1/, 'without what came later');

$browser->click('#play');
like(shows('#events', qr/P1/), qr/P1.*T01/s, 'it plays on from there');
$browser->click('#pause');
like(shows('#events', qr/L1/), qr/L1/, 'and ends in the present');


# The server's figures.

like(shows('#figure-connections', qr/2/), qr/Connections\s+2/,
    'the connections are counted');
ok(wait_for(sub { $browser->js('return document'
    . '.querySelectorAll("#figure-deliveries .spark-line")[0]'
    . '.getAttribute("d").includes("L")') }), 'deliveries are drawn');
like($browser->js('return document.querySelector("#figure-latency svg")'
    . '.getAttribute("aria-label")'),
    qr/median [\d.]+, 95th percentile [\d.]+, 99th percentile [\d.]+$/,
    'latency is drawn, and told in words');
like(shows('#figure-refusals', qr/forbidden/), qr/forbidden\s+1/,
    'the refusal is among those');

unlike($browser->console(), qr/Uncaught|Content Security Policy|TrustedHTML/,
    'no script failed and none was held back');

$browser->stop();


# The text of an element, once it matches or after ten seconds.
sub shows {
    my ($css, $re) = @_;
    my $text;

    wait_for(sub { ($text = $browser->text($css)) =~ $re });
    return $text;
}


# Has a task published in the page that is in front, or in another one.
sub event {
    my ($task, $page) = @_;

    $browser->page($page) if defined $page;
    $browser->type('#task', "$task$enter");
    shows('#answer', qr/^Published/);
    shows('#events', qr/$task/);
}


# Moves the slider as a mouse does.
sub set_position {
    my ($value) = @_;

    $browser->js(<<'EOF', $value);
const slider = document.querySelector('#position');
const { set } = Object.getOwnPropertyDescriptor(
    HTMLInputElement.prototype, 'value');
set.call(slider, arguments[0]);
slider.dispatchEvent(new Event('input', { bubbles: true }));
EOF
}
