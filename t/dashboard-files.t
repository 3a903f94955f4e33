#!/usr/bin/perl

# The files of the dashboard as a started server gives them: what a browser may
# keep, what the page may do, and how much has to be loaded.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Conductor;
use Test::Conductor::Start;
use Test::Nginx;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/ http rewrite realip gzip map /);

need_conductor($t)->plan(26);

start_conf($t);
$t->run();

my ($head, $page) = get('/');
my ($script) = $page =~ m{<script [^>]*src="\./(assets/[^"]+\.js)"};
my ($style) = $page =~ m{<link [^>]*href="\./(assets/[^"]+\.css)"};
my ($icon) = $page =~ m{<link [^>]*href="\./(assets/[^"]+\.svg)"};

like($head, qr/^HTTP\S+ 200 .*^Content-Type: text\/html/ms, 'the page is at /');
ok($script && $style && $icon, 'and names its script, its style, its icon');

unlike($page, qr/<script>|<style|\sstyle=|\son\w+=/,
    'nothing in it is a script or a style by itself');
unlike($page, qr{(?:src|href)="(?!\./)}, 'it works at any location');


# What a browser may keep.

like($head, qr/^Cache-Control: no-cache\r$/m, 'it is asked for each time');
like($head, qr/^ETag: /m, 'and sent if it is another one');

my ($etag) = $head =~ /^ETag: (.*)\r$/m;
my ($again) = get('/', "If-None-Match: $etag");
like($again, qr/^HTTP\S+ 304 .*^Cache-Control: no-cache\r$/ms,
    'else it is not');

for my $file ($script, $style, $icon) {
    my ($type) = $file =~ /\.(\w+)$/;
    my ($said) = get("/$file");

    like($said, qr/^Cache-Control: public, max-age=31536000, immutable\r$/m,
        "its $type is kept for good");
    like($said, qr{^Content-Type: \w+/(?:javascript|css|svg)}m, 'and is one');
}

my ($none) = get('/assets/none.js');
like($none, qr/^HTTP\S+ 404 .*^Cache-Control: no-cache\r$/ms,
    'what is not there is not kept');


# What the page may do, also if something goes wrong.

for my $said ($head, $none, (get("/$script"))[0]) {
    my ($policy) = $said =~ /^Content-Security-Policy: (.*)\r$/m;

    like($policy, qr/^default-src 'none'; script-src 'self'; style-src 'self'; /,
        'it may use this server and no other');
    unlike($policy, qr/unsafe|\*|ws:|data:/, 'and nothing of its own making');
}

like($none, qr/^Referrer-Policy: no-referrer\r.*^X-Content-Type-Options: nosniff/ms,
    'an error has the other headers, too');


# How much it is.

my $size = 0;

for my $file ('', $script, $style, $icon) {
    my ($said, $body) = get("/$file", 'Accept-Encoding: gzip');

    like($said, qr/^Content-Encoding: gzip\b/m, "/$file is compressed");
    $size += length $body;
}

cmp_ok($size, '<', 120 * 1024, 'all of it is less than 120 KB');
diag("the dashboard is $size bytes, compressed");


# The head and the body of an answer.
sub get {
    my ($path, @headers) = @_;

    return split /\r\n\r\n/, http(join("\r\n", "GET $path HTTP/1.1",
        'Host: localhost', 'Connection: close', @headers) . "\r\n\r\n"), 2;
}
