#!/usr/bin/perl

# The module shows the world nothing but what nginx looks up in it.

use strict;
use warnings;

use Test::More tests => 2;

my ($so) = ($ENV{TEST_NGINX_GLOBALS} // '') =~ /load_module\s+(\S+);/;
$so ||= 'build/ngx_conductor_module.so';

my @symbols = map { (split)[-1] } `nm -D --defined-only $so`;

is_deeply([ sort @symbols ],
    [ qw/ ngx_module_names ngx_module_order ngx_modules / ],
    "$so exports only the tables of modules");

my ($names) = `strings -a $so` =~ /^(ngx_http_conductor_module)$/m;

ok($names, 'the HTTP module is called ngx_http_conductor_module');
