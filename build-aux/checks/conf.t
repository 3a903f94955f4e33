#!/usr/bin/perl

# Every example of a configuration passes "nginx -t" as it is.

use strict;
use warnings;

use Cwd qw/ getcwd /;
use File::Copy qw/ copy /;
use File::Temp qw/ tempdir /;
use MIME::Base64 3.11 qw/ encode_base64url /;
use Test::More;

my @examples = glob('conf-examples/*.conf');

plan(skip_all => 'no examples yet') unless @examples;

my $nginx = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
my $globals = $ENV{TEST_NGINX_GLOBALS}
    // 'load_module ' . getcwd() . '/build/ngx_conductor_module.so;';

$ENV{$_} //= 'a secret of at least thirty-two bytes'
    for qw/ JWT_SECRET REDIS_PASSWORD SENTINEL_PASSWORD HUB_SECRET /;
delete $ENV{NGINX};

my @temporary = map { "${_}_temp_path $_;\n" }
    qw/ client_body proxy fastcgi uwsgi scgi /;

my $files = files();

for my $example (@examples) {
    my $dir = tempdir(CLEANUP => 1);
    mkdir "$dir/logs";
    copy($_, $dir) or die "$_: $!\n" for glob("$files/*");

    open my $in, '<', $example or die "$example: $!\n";
    my $text = do { local $/; <$in> };

    # the module where it was built, and no file outside of the directory

    $text =~ s/^load_module\s+\S*ngx_conductor_module\.so;/$globals/m;
    $text =~ s{^(\s*(?:\w+_log|pid|state|presence)\s+)/\S*/}{$1}mg;
    $text =~ s{^http \{\n}{$&@temporary}m;

    open my $out, '>', "$dir/nginx.conf" or die "$dir: $!\n";
    print $out $text;
    close $out;

    my $said = `"$nginx" -t -p "$dir/" -c nginx.conf -e stderr 2>&1`;

    is($?, 0, "$example passes nginx -t") or diag($said);
}

done_testing();


# What the examples take to be beside nginx.conf: certificates with their keys,
# and a set of keys.
sub files {
    my $dir = tempdir(CLEANUP => 1);

    my $make = 'openssl req -x509 -newkey rsa:2048 -nodes -days 1'
        . ' -subj /CN=live.example.com'
        . " -keyout $dir/key.pem -out $dir/certificate.pem";

    my $said = `$make 2>&1`;
    die "openssl: $said" if $?;

    copy("$dir/certificate.pem", "$dir/$_.pem") for qw/ redis-ca redis-client /;
    copy("$dir/key.pem", "$dir/redis-client.key");

    my $modulus = `openssl x509 -in $dir/certificate.pem -noout -modulus`;
    my ($hex) = $modulus =~ /^Modulus=([0-9A-F]+)$/ or die "openssl: no key\n";

    my $n = encode_base64url(pack 'H*', $hex);

    open my $fh, '>', "$dir/keys.json" or die "$dir: $!\n";
    print $fh qq({"keys":[{"kty":"RSA","alg":"RS256","use":"sig",)
        . qq("kid":"1","e":"AQAB","n":"$n"}]}\n);
    close $fh;

    return $dir;
}
