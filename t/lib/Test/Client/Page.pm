package Test::Client::Page;

# Pages in a browser that use the package, served beside the module.

use warnings;
use strict;

use parent 'Exporter';

use Test::Browser;
use Test::Client;
use Test::Conductor qw/ conductor_conf skip_all wait_for /;
use Test::Nginx qw/ port /;

our @EXPORT = (qw/
    need_client client_conf client_page begin status_is heard_all
    becomes
/, @Test::Browser::EXPORT, @Test::Client::EXPORT);


# Skips a file of t/ unless the package is built and there is a browser.
sub need_client {
    my ($t) = @_;

    skip_all('the packages of client/ are not installed')
        unless -e "$CLIENT/node_modules/.installed" && -d "$CLIENT/dist";

    return $t->has(qw/ http rewrite /)
        ->has_daemon('chromium')->has_daemon('chromedriver');
}


# A configuration with the files that a page needs where %%PAGES%% stands, in
# a server: itself, and the package as it was built.
sub client_conf {
    my ($conf) = @_;
    my $types = 'types { text/html html; text/css css; text/javascript js; }';

    $conf =~ s{%%PAGES%%}{location /page/ { $types
            alias "$CLIENT/../t/lib/Test/Client/"; }
        location /client/ { $types alias "$CLIENT/dist/"; }};

    return conductor_conf($conf);
}


# Opens the page in front, until its script has run.
sub client_page {
    my ($browser, $url) = @_;

    $browser->open($url // 'http://127.0.0.1:' . port(8080) . '/page/');

    return 1 if wait_for(sub {
        $browser->js('return document.body?.dataset.ready')
    });

    die "the script of the page has not run: " . $browser->console() . "\n";
}


# Has the page in front begin a client; see Client/page.js.
sub begin {
    my ($browser, %options) = @_;

    $browser->js('begin(arguments[0])', \%options);
}


# Waits until the client of the page in front has a status, and says which it
# has.
sub status_is {
    my ($browser, $status, $seconds) = @_;

    return becomes($browser, 'client.state.status', $status, $seconds);
}


# Waits until an expression of the page in front is this text or number, and
# says what it is.
sub becomes {
    my ($browser, $expression, $value, $seconds) = @_;
    my $is;

    wait_for(sub {
        $is = $browser->js("return $expression");
        return defined $is && $is eq $value;
    }, $seconds);

    return $is;
}


# Waits for the event number $n, and says which came, in their order.
sub heard_all {
    my ($browser, $n, $seconds) = @_;

    wait_for(sub {
        $browser->js('return numbers().includes(arguments[0])', $n)
    }, $seconds);

    return $browser->js('return numbers()');
}


1;
