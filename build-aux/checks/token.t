#!/usr/bin/perl

# The program of the image that prints tokens: what it prints is signed with
# the server's secret, and what it refuses is one line.

use strict;
use warnings;

use Cwd qw/ abs_path /;
use Digest::SHA qw/ hmac_sha256_base64 /;
use File::Temp qw/ tempdir /;
use JSON::PP;
use MIME::Base64 qw/ decode_base64url /;
use Test::More;

my $dir = tempdir(CLEANUP => 1);
my $secret = 'hidden, but of thirty-two bytes: "$x`';
my ($module) = ($ENV{TEST_NGINX_GLOBALS} // '') =~ /load_module\s+(\S+);/;

delete @ENV{qw/ JWT_SECRET JWT_SECRET_FILE NEXTAUTH_SECRET SSL_PASSPHRASE_FILE
                REDIS_URL_FILE /};
$ENV{CONDUCTOR_SHARE} = "$dir/usr/share/conductor";

is(system('build-aux/image/install', $dir,
    abs_path($module // 'build/ngx_conductor_module.so')), 0, 'installed');

open my $fh, '>', "$dir/secret" or die "secret: $!\n";
print $fh "$secret\n";
close $fh;

for my $from ([ JWT_SECRET => $secret ], [ JWT_SECRET_FILE => "$dir/secret" ]) {
    local $ENV{$from->[0]} = $from->[1];

    my ($status, $token) = said('alice', 'architect,admin', 60);
    my ($signed, $claims, $mac) =
        $token =~ /^((?:[\w-]+)\.([\w-]+))\.([\w-]+)\n\z/;

    is($status, 0, "a token by $from->[0]");
    is($mac, hmac_sha256_base64($signed, $secret) =~ tr{+/}{-_}r,
        'signed as the server wants it');

    $claims = decode_json(decode_base64url($claims));

    is("$claims->{sub} $claims->{role}", 'alice architect,admin',
        'with the user and roles');
    is($claims->{exp} - $claims->{iat}, 60, 'for that time');
}

like((said('a', 'b'))[1], qr/\Atoken: no JWT_SECRET, [^\n]+\n\z/,
    'without a secret one line says what to do');

$ENV{JWT_SECRET} = $secret;

for (
    [ qr/usage: token USER ROLE/ ], [ qr/usage/, 'alice' ],
    [ qr/usage/, 'alice', 'admin', 60, 'more' ],
    [ qr/a name is of letters/, 'a"b', 'admin' ],
    [ qr/a name is of letters/, '', 'admin' ],
    [ qr/a name is of letters/, 'alice', '' ],
    [ qr/a name is of letters/, 'alice', "a\nb" ],
    [ qr/seconds are/, 'alice', 'admin', 'x' ],
    [ qr/seconds are/, 'alice', 'admin', 0 ],
) {
    my ($why, @args) = @$_;
    my ($status, $said) = said(@args);

    ok($status == 1 && $said =~ /\Atoken: $why[^\n]*\n\z/
            && $said !~ /hidden/, "refused: @args" =~ s/\n/\\n/gr)
        or diag($said);
}

done_testing();


# The status of the program, and all that it prints.
sub said {
    my $pid = open(my $p, '-|') // die "fork: $!\n";

    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        exec "$ENV{CONDUCTOR_SHARE}/token", @_;
        exit 127;
    }

    my $said = do { local $/; <$p> } // '';
    close $p;
    return ($? >> 8, $said);
}
