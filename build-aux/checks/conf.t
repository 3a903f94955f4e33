#!/usr/bin/perl

# Every example of a configuration passes "nginx -t" as it is.

use strict;
use warnings;

use Cwd qw/ getcwd /;
use File::Temp qw/ tempdir /;
use Test::More;

my @examples = glob('conf-examples/*.conf');

plan(skip_all => 'no examples yet') unless @examples;

my $nginx = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
my $globals = $ENV{TEST_NGINX_GLOBALS}
    // 'load_module ' . getcwd() . '/build/ngx_conductor_module.so;';

$ENV{JWT_SECRET} //= 'a secret of at least thirty-two bytes';
delete $ENV{NGINX};

for my $example (@examples) {
    my $dir = tempdir(CLEANUP => 1);
    mkdir "$dir/logs";

    open my $in, '<', $example or die "$example: $!\n";
    my $text = do { local $/; <$in> };

    # the module where it was built, and no file outside of the directory

    $text =~ s/^load_module\s+\S*ngx_conductor_module\.so;/$globals/m;
    $text =~ s{^(\s*(?:access_log|error_log|pid)\s+)/\S*/}{$1}mg;

    open my $out, '>', "$dir/nginx.conf" or die "$dir: $!\n";
    print $out $text;
    close $out;

    my $said = `"$nginx" -t -p "$dir/" -c nginx.conf -e stderr 2>&1`;

    is($?, 0, "$example passes nginx -t") or diag($said);
}

done_testing();
