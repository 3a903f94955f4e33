#!/usr/bin/perl

# The dashboard for everyone: keyboard, screen reader, light, dark, a phone.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use JSON::PP qw//;

use lib 'lib';
use Test::Browser;
use Test::Client;
use Test::Conductor;
use Test::Conductor::Start;
use Test::Nginx;

select STDERR; $| = 1;
select STDOUT; $| = 1;

need_packages();

my $t = Test::Nginx->new()->has(qw/ http rewrite realip gzip map /)
    ->has_daemon('chromium')->has_daemon('chromedriver');

need_conductor($t)->plan(22);

start_conf($t);
$t->run();

my $axe = do {
    open my $f, '<', "$CLIENT/node_modules/axe-core/axe.min.js"
        or die "axe-core: $!\n";
    local $/;
    <$f>;
};

my $browser = browser();
my $enter = "\x{e007}";

$browser->open(start_url('alice'));
shows('#state', qr/^Connected$/);
shows('#reviewers', qr/alice/);
shows('#figure-latency', qr/p99/);


# Nothing that axe calls serious, in every state of the page.

is(violations('light'), '', 'a page without events is for everyone');

$browser->type('#task', "A1$enter");
shows('#answer', qr/^Published/);
shows('#events', qr/A1/);
$browser->click('#offline');
shows('#state', qr/^Offline/);
$browser->type('#task', "A2$enter");
shows('#queue', qr/A2/);

is(violations('light'), '', 'so is one with events and a queue');
is(violations('dark'), '', 'in the dark, too');

$browser->click('#offline');
shows('#state', qr/^Connected$/);
shows('#events', qr/A2/);
$browser->click('#replay');
shows('#replay-text', qr/Event \d/);

is(violations('dark'), '', 'and one that shows history');


# What a screen reader finds.

is($browser->js('return [...document.querySelectorAll("h1")]'
    . '.map((e) => e.innerText).join()'), 'Conductor', 'there is one title');
is($browser->js('return ["header", "main"].map((e) =>'
    . 'document.querySelectorAll(e).length).join()'), '1,1',
    'a banner and a main part');
is($browser->js('return [...document.querySelectorAll(".panel")].map((e) =>'
    . 'document.getElementById(e.getAttribute("aria-labelledby")).innerText)'
    . '.join()'), 'Who is here,Your connection,Replay,Publish an event,'
    . 'Offline queue,The server', 'and regions with names');
is($browser->js('return [...document.querySelectorAll("input, select")]'
    . '.filter((e) => !e.labels.length && !e.ariaLabel).length'), 0,
    'every field has a label');
is($browser->js('return [...document.querySelectorAll("button")]'
    . '.filter((e) => !e.innerText.trim()).length'), 0, 'and every button');
is($browser->js('return document.querySelector("#position").ariaValueText'),
    'event 2 of 2', 'the slider says where it is');
like($browser->js('return [...document.querySelectorAll(".spark")]'
    . '.map((e) => e.getAttribute("role") + e.ariaLabel).join("\n")'),
    qr/^imgConnections over .*: now \d.*^imgDeliveries .*^imgLatency /ms,
    'charts are told in words');

$browser->click('#pause');
$browser->type('#task', "A3$enter");
like(announced(qr/A3/), qr/A3 from \w+ to \w+/, 'an event is told of');

for my $n (4 .. 6) {
    $browser->type('#task', "A$n$enter");
    shows('#events', qr/A$n/);
}

like(announced(qr/A6/), qr/^(?:\d new events, the last one: )?A6 from /,
    'several that come at once are summed up');


# The keyboard alone.

my @controls = @{$browser->js('return [...document.querySelectorAll('
    . '"button, input, select, summary, [tabindex]")]'
    . '.filter((e) => e.checkVisibility()).map((e) => e.id || e.localName)')};

$browser->js('document.getElementById(arguments[0]).focus()', $controls[0]);
my ($reached, $hidden) = tabs($controls[0]);

is("@$reached", "@controls", 'each control is reached, in order');
is("@$hidden", '', 'and the focus can be seen');

$browser->js('document.querySelector("#pause").focus()');
key(' ', 'Space', 32);
is(shows('#pause', qr/^Go on$/), 'Go on',
    'a key does what a click does');


# Motion, and the size of the window.

is(motion('no-preference'), 'arrive', 'an event lights up as it arrives');
is(motion('reduce'), 'none', 'but not for whom that disturbs');

for my $width (320, 390, 768, 1024) {
    $browser->devtools('Emulation.setDeviceMetricsOverride', {
        width => $width, height => 800, deviceScaleFactor => 1,
        mobile => JSON::PP::false });
    cmp_ok($browser->js('return document.documentElement.scrollWidth'), '<=',
        $width, "it fits into a width of $width");
}

$browser->stop();


# The text of an element, once it matches or after ten seconds.
sub shows {
    my ($css, $re) = @_;
    my $text;

    wait_for(sub { ($text = $browser->text($css)) =~ $re });
    return $text;
}


# What the live region of the events says, once it matches.
sub announced {
    my ($re) = @_;
    my $text;

    wait_for(sub {
        $text = $browser->js('return document'
            . '.querySelector(".panel-events > .unseen").textContent');
        $text =~ $re;
    });

    return $text;
}


# What axe finds serious or worse, as "rule: element" lines.
sub violations {
    my ($scheme) = @_;

    media('prefers-color-scheme', $scheme);
    $browser->js($axe) unless $browser->js('return !!window.axe');
    $browser->js('window.found = null; axe.run().then((all) => {'
        . 'window.found = all.violations.filter((e) =>'
        . '["serious", "critical"].includes(e.impact)).flatMap((e) =>'
        . 'e.nodes.map((n) => `${e.id}: ${n.target} ${n.failureSummary}`))'
        . '.join("\n") })');

    my $found;
    wait_for(sub { defined($found = $browser->js('return window.found')) });
    return $found;
}


sub media {
    my ($name, $value) = @_;
    $browser->devtools('Emulation.setEmulatedMedia',
        { features => [ { name => $name, value => $value } ] });
}


sub motion {
    media('prefers-reduced-motion', $_[0]);
    return $browser->js('return getComputedStyle('
        . 'document.querySelector(".row")).animationName');
}


sub key {
    my ($key, $code, $number) = @_;

    $browser->devtools('Input.dispatchKeyEvent', { type => $_, key => $key,
        code => $code, windowsVirtualKeyCode => $number,
        length $key == 1 ? (text => $key) : () }) for qw/ keyDown keyUp /;
}


# Presses Tab until the page ends: what had the focus, the first of it given,
# and what of that did not show it.
sub tabs {
    my (@reached) = @_;
    my @hidden;

    for (1 .. 60) {
        key('Tab', 'Tab', 9);
        my ($name, $width) = @{$browser->js('const e = document.activeElement;'
            . 'return [e === document.body ? "" : e.id || e.localName,'
            . 'parseFloat(getComputedStyle(e).outlineWidth)]')};

        last if $name eq '' || $name eq $reached[0];
        push @reached, $name;
        push @hidden, $name unless $width >= 2;
    }

    return (\@reached, \@hidden);
}
