package Test::JWT;

# Makes JSON Web Tokens, good and bad; what core Perl lacks openssl signs.

use warnings;
use strict;

use parent 'Exporter';

use Digest::SHA qw/ hmac_sha256 hmac_sha384 hmac_sha512 /;
use File::Temp qw/ tempdir /;
use JSON::PP qw//;
use MIME::Base64 qw/ encode_base64url /;

our @EXPORT = qw/ jwt jwt_key jwk /;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $dir;        # of the keys and of what is being signed
my $files = 0;

my %hmac = (
    256 => \&hmac_sha256, 384 => \&hmac_sha384, 512 => \&hmac_sha512,
);

# The JWK name of a curve and the octets of a coordinate.
my %curve = (
    prime256v1 => [ 'P-256', 32 ],
    secp384r1  => [ 'P-384', 48 ],
    secp521r1  => [ 'P-521', 66 ],
    ed25519    => [ 'Ed25519', 32 ],
);

my %openssl = (
    RS256 => '-algorithm RSA -pkeyopt rsa_keygen_bits:2048',
    ES256 => '-algorithm EC -pkeyopt ec_paramgen_curve:prime256v1',
    ES384 => '-algorithm EC -pkeyopt ec_paramgen_curve:secp384r1',
    ES512 => '-algorithm EC -pkeyopt ec_paramgen_curve:secp521r1',
    EdDSA => '-algorithm ed25519',
);

$openssl{$_} = $openssl{RS256} for qw/ RS384 RS512 PS256 /;


# jwt(\%claims, alg => 'HS256', key => ..., header => {}): a token.
#
# "key" is the secret for HS, else a file with a private key in PEM form or
# what jwt_key() returned.  "exp" is in an hour unless the claims have it;
# with exp => undef there is none.  "header" is merged into the header and may
# lie about "alg".  To break more: header_text, payload_text and signature
# replace a part before it is encoded; alg => 'none' signs nothing.
sub jwt {
    my ($claims, %opt) = @_;
    my $alg = $opt{alg} // (ref $opt{key} ? $opt{key}{alg} : 'HS256');

    my %claims = (exp => time() + 3600, %{$claims || {}});
    delete $claims{exp} unless defined $claims{exp};

    my $header = { typ => 'JWT', alg => $alg, %{$opt{header} || {}} };

    my $text = encode_base64url($opt{header_text} // $json->encode($header))
        . '.'
        . encode_base64url($opt{payload_text} // $json->encode(\%claims));

    my $signature = $opt{signature} // sign($alg, $opt{key}, $text);

    return "$text." . encode_base64url($signature);
}


# jwt_key('ES256'): a new key { alg, secret } or { alg, private, public };
# "private" and "public" are files in PEM form.
sub jwt_key {
    my ($alg) = @_;

    return { alg => $alg, secret => random_secret() }
        if $alg =~ /^HS/;

    my $name = new_file();

    openssl("genpkey $openssl{$alg} -out $name.pem");
    openssl("pkey -in $name.pem -pubout -out $name.pub");

    return { alg => $alg, private => "$name.pem", public => "$name.pub" };
}


# 64 printable characters.
sub random_secret {
    return join '', map { chr 33 + int rand 94 } 1 .. 64;
}


# jwk($key, kid => 'a'): the public key, or the secret, as a JWK.
sub jwk {
    my ($key, %more) = @_;
    my %jwk = (alg => $key->{alg}, use => 'sig', %more);

    return { %jwk, kty => 'oct', k => encode_base64url($key->{secret}) }
        if defined $key->{secret};

    my $der = openssl("pkey -pubin -in $key->{public} -outform DER");

    if ($key->{alg} =~ /^[RP]S/) {
        my $text = openssl("rsa -pubin -in $key->{public} -noout -modulus");
        my ($modulus) = $text =~ /=([0-9A-F]+)/;

        return { %jwk, kty => 'RSA', e => 'AQAB',
                 n => encode_base64url(pack 'H*', $modulus) };
    }

    my ($name) = $openssl{$key->{alg}} =~ /(\w+)$/;
    my ($crv, $size) = @{$curve{$name}};

    return { %jwk, kty => 'OKP', crv => $crv,
             x => encode_base64url(substr $der, -$size) }
        if $crv eq 'Ed25519';

    return { %jwk, kty => 'EC', crv => $crv,
             x => encode_base64url(substr $der, -2 * $size, $size),
             y => encode_base64url(substr $der, -$size) };
}


# The octets of a signature as RFC 7518 and RFC 8037 want them.
sub sign {
    my ($alg, $key, $text) = @_;

    return '' if $alg eq 'none';

    my ($family, $bits) = $alg =~ /^([A-Za-z]+?)(\d*)$/;

    if ($family eq 'HS') {
        my $secret = ref $key ? $key->{secret} : $key;
        return $hmac{$bits}->($text, $secret);
    }

    my $private = ref $key ? $key->{private} : $key;
    my $name = new_file();

    open my $f, '>:raw', $name or die "cannot create $name: $!\n";
    print $f $text;
    close $f;

    return openssl("pkeyutl -sign -rawin -inkey $private -in $name")
        if $family eq 'EdDSA';

    my $pss = $family eq 'PS' ? '-sigopt rsa_padding_mode:pss'
                                . ' -sigopt rsa_pss_saltlen:digest' : '';
    my $der = openssl("dgst -sha$bits $pss -sign $private $name");

    return $der unless $family eq 'ES';
    return der_to_raw($der, { 256 => 32, 384 => 48, 512 => 66 }->{$bits});
}


# SEQUENCE { INTEGER r, INTEGER s } as two numbers of a fixed size.
sub der_to_raw {
    my ($der, $size) = @_;
    my ($r, $s) = unpack ord(substr $der, 1) & 0x80 ? 'x3 x C/a x C/a'
                                                    : 'x2 x C/a x C/a', $der;

    return join '', map { substr(("\0" x $size) . $_, -$size) } $r, $s;
}


# The name of a file that is removed when the test ends.
sub new_file {
    $dir //= tempdir('jwt-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);
    return "$dir/" . ++$files;
}


# The output of one openssl command.
sub openssl {
    my ($command) = @_;
    my $output = `openssl $command 2>/dev/null`;

    die "openssl $command failed\n" if $?;
    return $output;
}


1;
