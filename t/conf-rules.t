#!/usr/bin/perl

# nginx -t refuses rules that cannot be, with directive, value and reason.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

# What an event says: the directive, the value, and the reason.

my $path = qr/a field is 1 to 16 names of 1 to 255 characters/;
my $own = qr/belongs to the hub/;
my $role = qr/a role is 1 to 255 characters without comma or space/;
my $unless = qr/only "redact" takes "unless_role=ROLE,..."/;

my $long = 'x' x 256;
my $deep = join '.', ('a') x 17;

my @event = (
    (map {
        my $directive = $_;

        map { [ "$directive ok $_->[0]", $directive, @$_[1, 2] ] } (
            [ '""', '', $path ],
            [ '.', '.', $path ],
            [ '.a', '.a', $path ],
            [ 'a.', 'a.', $path ],
            [ 'a..b', 'a..b', $path ],
            [ $long, $long, $path ],
            [ "a.$long", "a.$long", $path ],
            [ $deep, $deep, $path ],
            [ qq("a\x01b"), "a\x01b", $path ],
            [ qq("a\x7f"), "a\x7f", $path ],
            [ qq("\xff"), "\xff", $path ],
            [ qq("\xed\xa0\x80"), "\xed\xa0\x80", $path ],
            [ 'type', 'type', $own ],
            [ 'timestamp', 'timestamp', $own ],
            [ 'eventId', 'eventId', $own ],
            [ 'eventId.x', 'eventId.x', $own ],
        )
    } qw/ require fields redact /),

    (map {
        my $directive = $_;

        [ $directive, $directive, undef, qr/invalid number of arguments/ ],
        map { [ "$directive ok $_->[0]", $directive, $_->[1], $role ] } (
            [ '""', '' ],
            [ 'a,b', 'a,b' ],
            [ '"a b"', 'a b' ],
            [ $long, $long ],
            [ qq("a\x01"), "a\x01" ],
            [ qq("\xff"), "\xff" ],
        )
    } qw/ roles publish_roles /),

    (map { [ $_, $_, undef, qr/invalid number of arguments/ ] }
        qw/ require fields redact /),

    [ 'redact unless_role=a', 'redact', undef, qr/names no field/ ],
    [ 'redact a unless_role=', 'redact', 'unless_role=', $role ],
    [ 'redact a unless_role=,b', 'redact', 'unless_role=,b', $role ],
    [ 'redact a unless_role=b,', 'redact', 'unless_role=b,', $role ],
    [ 'redact a unless_role=b,,c', 'redact', 'unless_role=b,,c', $role ],
    [ 'redact a "unless_role=b c"', 'redact', 'unless_role=b c', $role ],
    [ "redact a unless_role=b,$long", 'redact', "unless_role=b,$long",
      $role ],
    [ 'redact a unless_role=b unless_role=c', 'redact', 'unless_role=c',
      qr/given twice/ ],
    [ 'redact a unless_role=b unless_role=', 'redact', 'unless_role=',
      qr/given twice/ ],
    [ 'redact a unless_roles=b', 'redact', 'unless_roles=b', $unless ],
    [ 'redact a unless-role=b', 'redact', 'unless-role=b', $unless ],
    [ 'redact a unless=b', 'redact', 'unless=b', $unless ],
    [ 'fields a unless_role=b', 'fields', 'unless_role=b', $unless ],
    [ 'require a unless_role=b', 'require', 'unless_role=b', $unless ],

    [ 'redact a unless_role=' . roles(33), 'redact', 'r33',
      qr/a hub names at most 32 roles/ ],
    [ 'roles ' . roles(33, ' '), 'roles', 'r33',
      qr/a hub names at most 32 roles/ ],
    [ 'roles ' . roles(30, ' ') . '; redact a unless_role=s; '
      . 'publish_roles t u', 'redact', 's',
      qr/a hub names at most 32 roles/ ],
    [ join('; ', map { "redact f$_ unless_role=" . set($_) } 1 .. 32),
      'redact', 'r6',
      qr/at most 31 different lists of roles/ ],

    [ 'fields ' . paths(257), 'fields', 'f257', qr/at most 256 paths/ ],
    [ 'require ' . paths(257), 'require', 'f257', qr/at most 256 paths/ ],
    [ 'redact ' . paths(200) . '; redact ' . paths(57) . ' unless_role=a',
      'redact', 'f57', qr/at most 256 paths/ ],
);

# In a channel.

my @channel = (
    [ 'roles', 'roles', undef, qr/invalid number of arguments/ ],
    [ 'roles ""', 'roles', '', $role ],
    [ 'roles a,b', 'roles', 'a,b', $role ],
    [ 'roles ' . roles(33, ' '), 'roles', 'r33',
      qr/a hub names at most 32 roles/ ],
    (map { [ "$_ a", $_, undef, qr/not allowed here/ ] }
        qw/ fields redact publish_roles /),
);

my @good = (
    'redact a a a.b; redact a unless_role=x; redact a unless_role=x,x',
    'fields a; redact a; require a',
    'roles ' . roles(32, ' ') . '; roles r1 r2; publish_roles r32',
    join('; ', map { "redact f$_ unless_role=" . set($_) } 1 .. 31),
    join('; ', (map { "redact f$_ unless_role=" . set($_) } 1 .. 31),
         'redact f32 unless_role=' . set(7), 'redact f33'),
    'fields ' . paths(256) . '; require ' . paths(256) . '; redact '
        . paths(256),
    'redact ' . join('.', ('a') x 16) . ' ' . 'x' x 255 . ' types.type',
    'redact "a b" "\"" "gr\xc3\xb6\xc3\x9fe" "a=b"; roles "r\xc3\xb6le"',
    'redact "a\"b" a\\\\b',
);

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->plan(@event + @channel + @good + 2);

like(said($t, event => $_->[0]), pattern(@$_), name('event', $_))
    for @event;
like(said($t, channel => $_->[0]), pattern(@$_), name('channel', $_))
    for @channel;
is(said($t, event => $_), 'ok', name('event accepted', [ $_ ])) for @good;

# roles are counted over the whole hub

is(said($t, channel => 'roles ' . roles(31, ' ')), 'ok',
    '31 roles of a channel and one of another make 32');
like(said($t, channel => 'roles ' . roles(32, ' ')),
    pattern('', 'roles', 'other', qr/a hub names at most 32 roles/),
    'with one more they are too many');


sub roles { join $_[1] // ',', map { "r$_" } 1 .. $_[0] }

sub paths { join ' ', map { "f$_" } 1 .. $_[0] }

# The Nth of many different lists of six roles.
sub set { join ',', map { "r$_" } grep { $_[0] >> ($_ - 1) & 1 } 1 .. 6 }


sub name {
    my ($place, $case) = @_;
    my $text = $case->[0];

    $text =~ s/[^ -~]/?/g;
    $text = substr($text, 0, 60) . ' ...' if length $text > 64;

    return "in a $place: $text";
}


# A configuration with something in one place: "ok", or what nginx says.
sub said {
    my ($t, $place, $text) = @_;
    my %at = (channel => '', event => '');

    $at{$place} = "$text;";

    my ($ok, $output) = nginx_t($t, <<"EOF_CONF");

%%TEST_GLOBALS%%

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        channel c {
            $at{channel}
        }

        event e {
            $at{event}
        }

        channel d { @{[ $place eq 'channel' ? 'roles other;' : '' ]} }
    }
}

EOF_CONF

    return $ok ? 'ok' : $output;
}


# What the error must say of a directive and its value.
sub pattern {
    my ($text, $directive, $value, $why) = @_;

    my $quoted = defined $value ? quotemeta qq{"$value"} : '';

    return qr/\[emerg\](?=.*\b$directive\b)(?=.*$quoted)(?=.*$why)
              .*\ in\ \S+check\.conf:\d+/xs;
}
