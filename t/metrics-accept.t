#!/usr/bin/perl

# Which format of the metrics a scraper gets, by all that its Accept says.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(9);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h { zone 4m; history size=64k; }

    server {
        listen 127.0.0.1:8080;

        location /metrics { conductor_metrics h format=prometheus; }
    }
}

EOF_CONF

$t->run();

my $open = 'application/openmetrics-text';

is(format_of(), 'text/plain', 'text, if nothing is said');
is(format_of($open), $open, 'what is wanted');
is(format_of("$open;q=0.5, text/plain"), 'text/plain', 'or is wanted more');
is(format_of("$open;q=0.5", 'text/plain'), 'text/plain',
    'in one line or several');
is(format_of($open, 'text/plain;q=0.5'), $open, 'whichever is the last');
is(format_of('text/plain;q=0.5', $open), $open, 'or the first');
is(format_of("$open;q=0.3", 'text/html', '*/*;q=0.1'), $open,
    'of any number');
is(format_of('', $open, ''), $open, 'also if one is empty');
is(format_of((map { "text/x-$_" } 1 .. 15), $open), $open, 'or of many');

$t->stop();


# The type of the answer to these lines of Accept.
sub format_of {
    my $lines = join '', map { "Accept: $_\r\n" } @_;

    my ($type) = http("GET /metrics HTTP/1.0\r\nHost: localhost\r\n$lines\r\n")
        =~ /^Content-Type: ([\w\/-]+)/mi;

    return $type;
}
