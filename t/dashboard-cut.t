#!/usr/bin/perl

# The dashboard when its network is cut: what it says, what waits, and that
# nothing is lost.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Browser;
use Test::Conductor;
use Test::Conductor::Net;
use Test::Conductor::Start;
use Test::Nginx qw/ :DEFAULT port /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

own_network();

my $t = Test::Nginx->new()->has(qw/ http rewrite realip gzip map /)
    ->has_daemon('chromium')->has_daemon('chromedriver');

need_conductor($t)->plan(10);

start_conf($t, '@LISTEN@' => 'listen  127.0.0.1:8080;'
    . ' listen  127.0.0.2:%%PORT_8080%%;');
$t->run();

# a browser takes itself to be online as long as there is a cable

my $cable = Test::Conductor::Net->new($t)->cable();
my $browser = browser();

$browser->open(start_url('alice') =~ s/localhost/127.0.0.2/r);
is(shows('#state', qr/^Connected$/), 'Connected', 'a page connects');
like(shows('#figures-why', qr/./), qr/only to those at its own machine/,
    'figures that are not for it are not shown, and that is said');

task('C1');
shows('#events', qr/C1/);

network('add');
$cable->pull();

is(shows('#state', qr/offline/), 'This device is offline.',
    'it notices when the cable is pulled');
like(shows('#next', qr/\d/), qr/^Trying again in \d+ s\.$/,
    'and says what it will do');

task('C2');
task('C3');
like(shows('#queue', qr/C3/), qr/C2: .*C3: /s, 'what is published waits');
like(shows('#answer', qr/^Waits/), qr/^Waits in the queue/, 'and that is said');

publish($t, { type => 'task-status-changed', taskId => 'X1',
    featureSlug => 'f', oldStatus => 'a', newStatus => 'b' });

network('del');
$cable->plug();

is(shows('#state', qr/^Connected$/), 'Connected', 'with the cable it is back');
like(shows('#events', qr/C3/), qr/C3.*C2.*X1.*C1/s,
    'it has all, and so have the others');
like($browser->text('#events'), qr/Connected again\. What was missed is here/,
    'and says so');
is(shows('#queued', qr/^0$/), '0', 'nothing waits any more');

$browser->stop();


# The text of an element, once it matches or after thirty seconds.
sub shows {
    my ($css, $re) = @_;
    my $text;

    wait_for(sub { ($text = $browser->text($css)) =~ $re }, 30);
    return $text;
}


sub task {
    my ($task) = @_;
    $browser->type('#task', "$task\x{e007}");
}


# Cuts the way to 127.0.0.2, in both directions, or mends it.
sub network {
    my ($verb) = @_;

    system("ip route $verb blackhole 127.0.0.2/32 table local") == 0
        or die "ip route failed\n";
}
