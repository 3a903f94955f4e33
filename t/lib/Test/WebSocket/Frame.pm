package Test::WebSocket::Frame;

# Frames of RFC 6455 and messages of RFC 7692, made (also wrong) and read.

use warnings;
use strict;

use parent 'Exporter';

use Compress::Raw::Zlib qw/
    Z_OK Z_BUF_ERROR Z_STREAM_END Z_SYNC_FLUSH Z_DEFAULT_COMPRESSION
/;

our @EXPORT_OK = qw/ frame parse_frame frame_faults /;

my $tail = "\x00\x00\xff\xff";      # what RFC 7692, 7.2.1 leaves off


# frame($opcode, $payload, %opt): the octets of one frame.
#
#     fin      => 1      last frame of its message
#     rsv      => 0      the three reserved bits, RSV1 is 4
#     mask     => 1      as clients must
#     key      => "...." masking key, random by default
#     len_form => 7 | 16 | 64, the shortest by default
#     len      => N      a length that is not the payload's
sub frame {
    my ($opcode, $payload, %opt) = @_;
    my $len = $opt{len} // length $payload;
    my $form = $opt{len_form} // ($len < 126 ? 7 : $len < 65536 ? 16 : 64);
    my $mask = $opt{mask} // 1;

    my $first = ($opt{fin} // 1) << 7 | ($opt{rsv} // 0) << 4 | $opcode;
    my $bit = $mask ? 0x80 : 0;

    my $head = $form == 7 ? pack('CC', $first, $bit | $len & 0x7f)
             : $form == 16 ? pack('CCn', $first, $bit | 126, $len)
             : pack('CCQ>', $first, $bit | 127, $len);

    return $head . $payload unless $mask;

    my $key = $opt{key} // pack 'N', int rand 2 ** 32;
    return $head . $key . masked($payload, $key);
}


# The payload under the masking key, or back.
sub masked {
    my ($payload, $key) = @_;
    my $len = length $payload;

    return $payload ^ substr $key x ($len / 4 + 1), 0, $len;
}


# Takes one whole frame off the front of a buffer; undef if there is none yet.
sub parse_frame {
    my ($in) = @_;
    my $have = length $$in;

    return undef if $have < 2;

    my ($first, $second) = unpack 'CC', $$in;
    my ($len, $size, $form) = ($second & 0x7f, 2, 7);

    if ($len == 126) {
        return undef if $have < 4;
        ($len, $size, $form) = (unpack('x2 n', $$in), 4, 16);

    } elsif ($len == 127) {
        return undef if $have < 10;
        ($len, $size, $form) = (unpack('x2 Q>', $$in), 10, 64);
    }

    $size += 4 if $second & 0x80;
    return undef if $have < $size + $len;

    my $head = substr $$in, 0, $size, '';
    my $payload = substr $$in, 0, $len, '';

    return {
        fin      => $first >> 7,
        rsv      => $first >> 4 & 7,
        opcode   => $first & 15,
        masked   => $second >> 7,
        len_form => $form,
        payload  => $second & 0x80 ? masked($payload, substr $head, -4)
                                   : $payload,
    };
}


# What is wrong with a frame of a server, in words.
sub frame_faults {
    my ($frame, %opt) = @_;
    my ($opcode, $form) = @$frame{qw/ opcode len_form /};
    my $len = length $frame->{payload};
    my $rsv1 = $opt{deflate} && ($opcode == 1 || $opcode == 2) ? 4 : 0;
    my @faults;

    push @faults, 'masked' if $frame->{masked};
    push @faults, 'reserved bits' if $frame->{rsv} & ~$rsv1;
    push @faults, 'unknown opcode' if $opcode !~ /^(?:[0-2]|8|9|10)$/;
    push @faults, 'length not in its shortest form'
        if $form == 16 && $len < 126 || $form == 64 && $len < 65536;
    push @faults, 'long or fragmented control frame'
        if $opcode & 8 && ($len > 125 || !$frame->{fin});
    push @faults, 'continuation of nothing' if $opcode == 0 && !$opt{inside};
    push @faults, 'new message inside another'
        if $opcode =~ /^[12]$/ && $opt{inside};

    return @faults;
}


# Both directions of permessage-deflate as a response agreed on them, or undef.
sub deflate {
    my ($class, $header) = @_;

    return undef unless ($header // '') =~ /^\s*permessage-deflate\b(.*)/;

    my %param = map { /^\s*(\w+)(?:\s*=\s*"?(\d+)"?)?\s*$/ ? ($1 => $2) : () }
                split /;/, $1;

    return bless { param => \%param }, $class;
}


# A parameter that was agreed on: its value, or 1 if it has none.
sub param {
    my ($self, $name) = @_;

    return exists $self->{param}{$name} ? $self->{param}{$name} // 1 : undef;
}


# A message as the client may compress it.
sub compress {
    my ($self, $data) = @_;
    my $bits = $self->param('client_max_window_bits') // 15;

    $bits = 15 if $bits < 8;        # the name alone sets no limit
    $bits = 9 if $bits == 8;        # zlib does not deflate with less

    delete $self->{out} if defined $self->param('client_no_context_takeover');
    $self->{out} //= Compress::Raw::Zlib::Deflate->new(-AppendOutput => 1,
        -WindowBits => -$bits, -Level => Z_DEFAULT_COMPRESSION);

    my $out = '';
    $self->{out}->deflate($data, $out);
    $self->{out}->flush($out, Z_SYNC_FLUSH);

    # Compress::Raw::Zlib flushes twice where the first filled its buffer

    $out =~ s/$tail\K\x00$tail\z//;

    return substr $out, 0, -4;
}


# A message of the server, or undef if it does not inflate.
sub inflate {
    my ($self, $data) = @_;

    delete $self->{in} if defined $self->param('server_no_context_takeover');
    $self->{in} //= Compress::Raw::Zlib::Inflate->new(-AppendOutput => 1,
        -ConsumeInput => 1,
        -WindowBits => -($self->param('server_max_window_bits') // 15));

    my ($in, $out) = ($data . $tail, '');
    my $status = $self->{in}->inflate($in, $out);

    delete $self->{in} if $status == Z_STREAM_END;      # BFINAL was set

    return (grep { $status == $_ } Z_OK, Z_BUF_ERROR, Z_STREAM_END) ? $out
                                                                     : undef;
}


1;
