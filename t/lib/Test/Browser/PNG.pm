package Test::Browser::PNG;

# Makes a PNG of a screen small: 256 colours, which are nearly all it has.

use warnings;
use strict;

use Compress::Zlib qw/ compress crc32 uncompress /;
use Exporter qw/ import /;

our @EXPORT = qw/ small_png /;

my $SIGNATURE = "\x89PNG\r\n\x1a\n";


# small_png($png): the same picture, of 8 bits of red, green and blue, with a
# palette of its most frequent colours.
sub small_png {
    my ($png) = @_;
    my ($width, $height, @lines) = _read($png);
    my (%count, %index);

    $count{$_}++ for map { unpack '(a3)*', $_ } @lines;

    my @frequent = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;
    my @palette = splice @frequent, 0, 256;

    @index{@palette} = map { chr } 0 .. $#palette;
    $index{$_} = $index{_nearest($_, \@palette)} for @frequent;

    my $data = join '', map { "\0" . join '', @index{unpack '(a3)*', $_} }
        @lines;

    return $SIGNATURE
        . _chunk('IHDR', pack 'NNC5', $width, $height, 8, 3, 0, 0, 0)
        . _chunk('PLTE', join '', @palette)
        . _chunk('IDAT', compress($data, 9)) . _chunk('IEND', '');
}


# Width, height, and the lines, each as bytes of red, green and blue.
sub _read {
    my ($png) = @_;
    my ($at, $data, $head) = (length $SIGNATURE, '', '');

    while ($at < length $png) {
        my ($length, $type) = unpack 'Na4', substr $png, $at, 8;
        my $body = substr $png, $at + 8, $length;

        $head = $body if $type eq 'IHDR';
        $data .= $body if $type eq 'IDAT';
        $at += 12 + $length;
    }

    my ($width, $height, @kind) = unpack 'NNC5', $head;
    die "not of 8 bits of three colours\n" unless "@kind" eq '8 2 0 0 0';

    my $size = 3 * $width;
    my $above = [ (0) x $size ];
    my @lines;

    for (unpack "(a@{[ $size + 1 ]})*", uncompress($data)) {
        my ($filter, @bytes) = unpack 'C*', $_;

        _unfilter($filter, \@bytes, $above);
        push @lines, pack 'C*', @bytes;
        $above = \@bytes;
    }

    return ($width, $height, @lines);
}


# Takes back what a filter has done to a line (PNG, section 9).
sub _unfilter {
    my ($filter, $line, $above) = @_;

    for my $i (0 .. $#$line) {
        my $left = $i < 3 ? 0 : $line->[$i - 3];
        my $up = $above->[$i];

        $line->[$i] = 255 & ($line->[$i] + (
            $filter == 0 ? 0
            : $filter == 1 ? $left
            : $filter == 2 ? $up
            : $filter == 3 ? ($left + $up) >> 1
            : _paeth($left, $up, $i < 3 ? 0 : $above->[$i - 3])));
    }
}


sub _paeth {
    my ($left, $up, $corner) = @_;
    my $guess = $left + $up - $corner;
    my ($l, $u, $c) = map { abs($guess - $_) } $left, $up, $corner;

    return $l <= $u && $l <= $c ? $left : $u <= $c ? $up : $corner;
}


sub _nearest {
    my ($colour, $palette) = @_;
    my ($r, $g, $b) = unpack 'C3', $colour;
    my ($best, $least) = ('', 1 << 20);

    for (@$palette) {
        my ($x, $y, $z) = unpack 'C3', $_;
        my $far = ($x - $r) ** 2 + ($y - $g) ** 2 + ($z - $b) ** 2;

        ($best, $least) = ($_, $far) if $far < $least;
    }

    return $best;
}


sub _chunk {
    my ($type, $body) = @_;
    return pack('N', length $body) . $type . $body
        . pack 'N', crc32($type . $body);
}


1;
