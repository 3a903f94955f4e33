#!/usr/bin/perl

# The dashboard without its server: what waits, what it says, and how it drains.

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

need_conductor($t)->plan(26);

start_conf($t, 'drain     10s' => 'drain     1s');
$t->run();

my $browser = browser();
my $enter = "\x{e007}";

my $bob = $browser->page();
$browser->open(start_url('bob'));
shows('#state', qr/^Connected$/);

my $alice = $browser->page('new');
$browser->open(start_url('alice'));
shows('#reviewers', qr/bob/);


# Offline because one wants to be.

is($browser->text('#queued'), '0', 'nothing waits at first');
$browser->click('#offline');
like(shows('#state', qr/^Offline/), qr/you chose so/, 'one can work offline');

publish_task("Q$_") for 1 .. 3;
like($browser->text('#answer'), qr/^Waits in the queue/,
    'what is published then waits');
is($browser->text('#queued'), '3', 'it is counted');
like($browser->text('#queue'), qr/Q1: .*Q2: .*Q3: /s, 'and listed, in order');
is(meter(), '3 of 100 places are taken', 'and drawn, and that said in words');

$browser->page($bob);
like(shows('#reviewers', qr/^(?!.*alice)/s), qr/bob/, 'others see her go');
unlike($browser->text('#events'), qr/Q1/, 'and no event');

$browser->page($alice);
$browser->js('location.reload()');
is(shows('#state', qr/^Connected$/), 'Connected', 'over a reload of the page');
like(shows('#events', qr/Q3/), qr/Q3.*Q2.*Q1/s, 'it is kept, and then sent');
is(shows('#queued', qr/^0$/), '0', 'so that the queue is empty');

$browser->page($bob);
like(shows('#events', qr/Q3/), qr/Q3.*Q2.*Q1/s, 'in its order');
is(() = $browser->text('#events') =~ /Q\d:/g, 3, 'and each once');


# Offline because the server is away.

$t->stop();
like(shows('#state', qr/cannot be reached/), qr/^The server cannot be reached/,
    'a server that is away is told of');
like(shows('#next', qr/\d/), qr/^Trying (?:again in \d s|now)\./,
    'with what happens next');
like(shows('#figures-why', qr/./), qr/does not answer at the moment/,
    'its figures stay as they were, and that is said');
like($browser->text('#quality'), qr/Offline/, 'there is no quality, either');

$browser->page($alice);
shows('#state', qr/cannot be reached/);
publish_task('S1');
publish_task('S2');
is(shows('#queued', qr/2/), '2', 'what is published waits');

$browser->click('#clear');
is(shows('#queued', qr/^0$/), '0', 'one can think better of it');
like(shows('#answer', qr/^Not/), qr/^Not published: it was taken back\./,
    'which is said, too');

publish_task('S3');
is(shows('#queued', qr/1/), '1', 'and do it again');

$t->run();
$browser->js('document.querySelector("#again")?.click()');
is(shows('#state', qr/^Connected$/), 'Connected',
    'once the server is there, so is the page');
like(shows('#events', qr/S3/), qr/S3: /, 'and what waited is published');
is(shows('#answer', qr/^Published/), 'Published to everyone connected.',
    'as if it had been at once');

$browser->page($bob);
$browser->js('document.querySelector("#again")?.click()');
shows('#state', qr/^Connected$/);
publish($t, { type => 'task-status-changed', taskId => 'Z1', featureSlug => 'z',
    oldStatus => 'a', newStatus => 'b' });
shows('#events', qr/Z1/);
unlike($browser->text('#events'), qr/S[12]: /, 'but what was taken back');

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


sub publish_task {
    my ($task) = @_;
    $browser->type('#task', "$task$enter");
    shows('#queue', qr/$task/);
}


sub meter {
    return $browser->js('return document.querySelector(".meter")'
        . '.getAttribute("aria-label")');
}
