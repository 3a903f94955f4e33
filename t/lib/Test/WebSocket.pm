package Test::WebSocket;

# A WebSocket client that does what a test tells it, right or wrong.

use warnings;
use strict;

use parent qw/ Exporter Test::WebSocket::Socket /;

use Digest::SHA qw/ sha1_base64 /;
use JSON::PP qw//;
use MIME::Base64 qw/ encode_base64 /;
use Time::HiRes qw/ clock_gettime CLOCK_MONOTONIC /;

use Test::JWT;
use Test::WebSocket::Frame qw/ frame parse_frame frame_faults /;

our @EXPORT = (qw/ ws_connect frame /, @Test::JWT::EXPORT);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;


# ws_connect($t, $path, %opt): connects, asks for a WebSocket, reads the answer.
#
# $t is a Test::Nginx object (its port 8080, or 8443 with ssl), a real port, or
# "unix:/path".  The request:
#
#     host upgrade connection key version    undef leaves the header out
#     origin token                           Origin, Authorization: Bearer
#     protocols extensions                   a string or a list
#     headers      => [ 'Name: value' ]      more of them
#     method http_version                    GET, 1.1
#     body         => $octets                sent in the same write, e.g. frames
#     raw_request  => $octets                instead of all that
#     chunk        => N                      written N octets at a time
#
# The connection:
#
#     ssl => 1, SSL_...     TLS, with options of IO::Socket::SSL
#     peer source           addresses, 127.0.0.1 and any
#     sndbuf rcvbuf         of the socket, set before it connects
#     timeout      => 10    seconds for this and all later calls
#     pong         => 1     answer pings
#     read_along   => 1     read while a write waits, as browsers do
#     read_size    => N     octets to read at a time, many by default
#     wait         => 1     0: return once the request is sent
#
# The result is always an object; "error" says why there is no status.
sub ws_connect {
    my ($to, $path, %opt) = @_;

    ($to, %opt) = over_tls($to, %opt) if $ENV{TEST_NGINX_TLS};

    my $self = __PACKAGE__->connected($to, %opt);

    @$self{qw/ pings pongs faults skipped /} = ([], [], [], []);
    $self->{headers} = {};
    $self->{key} = $opt{key};
    $self->{pong} = $opt{pong} // 1;

    return $self if $self->{error};

    $self->send_raw($opt{raw_request} // $self->request($path, %opt),
                    chunk => $opt{chunk});
    $self->handshake() if $opt{wait} // 1;

    return $self;
}


# Where to and how, if those who do not say so connect over TLS.
sub over_tls {
    my ($to, %opt) = @_;

    my $port = ref $to ? Test::Nginx::port($to->{number} // 8080) : $to;

    return ($to, %opt) if exists $opt{ssl} || exists $opt{peer}
                          || $port ne Test::Nginx::port(8080);

    require IO::Socket::SSL;

    our $tls //= IO::Socket::SSL::SSL_Context->new(SSL_verify_mode => 0);

    return (ref $to ? $to : Test::Nginx::port(8443), ssl => 1,
            SSL_reuse_ctx => $tls, %opt);
}


# The text of the handshake's request.
sub request {
    my ($self, $path, %opt) = @_;

    $self->{key} = exists $opt{key} ? $opt{key}
        : encode_base64(join('', map { chr int rand 256 } 1 .. 16), '');

    my @lines = (
        [ Host => exists $opt{host} ? $opt{host} : 'localhost' ],
        [ Upgrade => exists $opt{upgrade} ? $opt{upgrade} : 'websocket' ],
        [ Connection => exists $opt{connection} ? $opt{connection}
                                                : 'Upgrade' ],
        [ 'Sec-WebSocket-Key' => $self->{key} ],
        [ 'Sec-WebSocket-Version' => exists $opt{version} ? $opt{version}
                                                          : 13 ],
        [ 'Sec-WebSocket-Protocol' => $opt{protocols} ],
        [ 'Sec-WebSocket-Extensions' => $opt{extensions} ],
        [ Origin => $opt{origin} ],
        [ Authorization => defined $opt{token} ? "Bearer $opt{token}"
                                               : undef ],
    );

    my @headers = map { "$_->[0]: " . (ref $_->[1] ? join ', ', @{$_->[1]}
                                                   : $_->[1]) }
                  grep { defined $_->[1] } @lines;

    return join("\x0d\x0a",
                join(' ', $opt{method} // 'GET', $path // '/',
                     'HTTP/' . ($opt{http_version} // '1.1')),
                @headers, @{$opt{headers} || []}, '', '')
           . ($opt{body} // '');
}


# Reads the next answer to a handshake; true if it is a WebSocket now.
sub handshake {
    my ($self) = @_;
    my $end = $self->deadline();

    until ($self->{in} =~ /\x0d\x0a\x0d\x0a/) {
        next if $self->fill($end);
        $self->{error} //= $self->{eof} ? 'closed before an answer'
                                        : 'no answer';
        return 0;
    }

    $self->{in} =~ s/^(.*?\x0d\x0a)\x0d\x0a//s;
    $self->{head} = $1;
    $self->{headers} = {};
    ($self->{status}) = $self->{head} =~ m!^HTTP/1\.1 (\d{3}) !;

    while ($self->{head} =~ /^([^:\s]+):\s*(.*?)\s*\x0d?$/mg) {
        my ($name, $value) = (lc $1, $2);
        my $h = $self->{headers};
        $h->{$name} = exists $h->{$name} ? "$h->{$name}, $value" : $value;
    }

    if (($self->{status} // 0) != 101) {
        $self->read_body($end);
        return 0;
    }

    $self->{deflate} = Test::WebSocket::Frame->deflate(
        $self->header('Sec-WebSocket-Extensions'));

    return $self->is_open();
}


# The body of a refusal, by its length or up to the end.
sub read_body {
    my ($self, $end) = @_;

    if (($self->header('Transfer-Encoding') // '') =~ /chunked/) {
        1 while $self->{in} !~ /(?:^|\x0a)0\x0d\x0a\x0d\x0a/
                && $self->fill($end);
        $self->{body} = Test::Nginx::http_content(
            "Transfer-Encoding: chunked\x0d\x0a\x0d\x0a$self->{in}");
        $self->{in} = '';
        return;
    }

    my $len = $self->header('Content-Length');

    1 while (!defined $len || length $self->{in} < $len) && $self->fill($end);
    $self->{body} = substr $self->{in}, 0, $len // length $self->{in}, '';
}


# Whether the answer was a right 101.
sub is_open {
    my ($self) = @_;

    return 0 unless ($self->{status} // 0) == 101;
    return 1 unless defined $self->{key};

    my $accept = sha1_base64($self->{key}
                             . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11') . '=';

    return ($self->header('Upgrade') // '') =~ /^websocket$/i
           && ($self->header('Connection') // '') =~ /\bupgrade\b/i
           && ($self->header('Sec-WebSocket-Accept') // '') eq $accept;
}


# The answer's status; undef if there was none.
sub status { $_[0]{status} }

# A header of the answer; several of one name are joined.
sub header { $_[0]{headers}{lc $_[1]} }

# The headers as they came.
sub head { $_[0]{head} }

# The body of a refusal, and what it says in JSON.
sub body { $_[0]{body} }
sub body_json { eval { $json->decode($_[0]{body}) } }

# What went wrong on this side, if anything.
sub error { $_[0]{error} }

# The socket.
sub sock { $_[0]{sock} }

# Payloads of pings and pongs that came; JSON messages recv_until() passed by.
sub pings { $_[0]{pings} }
sub pongs { $_[0]{pongs} }
sub skipped { $_[0]{skipped} }

# What the server did against the RFC, in words; empty if all is well.
sub faults { @{$_[0]{faults}} }


# One frame; beside those of frame(), "chunk" is how much to write at a time.
sub send_frame {
    my ($self, $opcode, $payload, %opt) = @_;
    return $self->send_raw(frame($opcode, $payload // '', %opt), %opt);
}


# A text message of characters; compressed where that was agreed on.
sub send_text {
    my ($self, $text, %opt) = @_;
    utf8::encode($text);
    return $self->send_data(1, $text, %opt);
}


# A binary message.
sub send_binary {
    my ($self, $data, %opt) = @_;
    return $self->send_data(2, $data, %opt);
}


# A JSON message.
sub send_json {
    my ($self, $value, %opt) = @_;
    return $self->send_data(1, $json->encode($value), %opt);
}


# A message in one frame; compress => 0 leaves it as it is.
sub send_data {
    my ($self, $opcode, $data, %opt) = @_;

    return $self->send_frame($opcode, $data, %opt)
        unless $self->{deflate} && ($opt{compress} // 1);

    return $self->send_frame($opcode, $self->{deflate}->compress($data),
                             rsv => 4, %opt);
}


# A message in pieces, one frame each; "between" are octets sent between them.
sub send_fragmented {
    my ($self, $opcode, $pieces, %opt) = @_;
    my @pieces = @$pieces;

    if ($self->{deflate} && ($opt{compress} // 1)) {
        my $data = $self->{deflate}->compress(join '', @pieces);
        my $part = int(length($data) / @pieces) + 1;
        @pieces = map { substr $data, 0, $part, '' } @pieces;
        $opt{rsv} //= 4;
    }

    for my $i (0 .. $#pieces) {
        $self->send_frame($i ? 0 : $opcode, $pieces[$i], %opt,
                          fin => $i == $#pieces, rsv => $i ? 0 : $opt{rsv})
            or return 0;
        $self->send_raw($opt{between}, %opt)
            if defined $opt{between} && $i < $#pieces;
    }

    return 1;
}


# The next frame of any kind; undef at the end or when time is up.
sub recv_frame {
    my ($self, $timeout) = @_;
    return $self->frame_before($self->deadline($timeout));
}


# The next frame, with what is wrong with it noted.
sub frame_before {
    my ($self, $end) = @_;
    my $frame;

    until ($frame = parse_frame(\$self->{in})) {
        $self->fill($end) or return undef;
    }

    push @{$self->{faults}}, frame_faults($frame,
        deflate => $self->{deflate}, inside => $self->{partial});
    push @{$self->{faults}}, 'frame after close' if $self->{closed};

    if ($frame->{opcode} == 8) {
        $self->{closed} = length $frame->{payload} < 2 ? [ 1005, '' ]
            : [ unpack 'n a*', $frame->{payload} ];
        push @{$self->{faults}}, 'close frame of one octet'
            if length $frame->{payload} == 1;
    }

    return $frame;
}


# The next frame that ends something: a message, a ping, a pong, a close.
sub event_before {
    my ($self, $end) = @_;

    while (my $frame = $self->frame_before($end)) {
        my ($opcode, $payload) = @$frame{qw/ opcode payload /};

        if ($opcode == 9) {
            push @{$self->{pings}}, $payload;
            $self->send_frame(10, $payload) if $self->{pong};
        }

        push @{$self->{pongs}}, $payload if $opcode == 10;
        return $frame if $opcode & 8;

        my $part = $self->{partial} //= {
            opcode => $opcode, data => '', frames => 0,
            compressed => $frame->{rsv} & 4 ? 1 : 0,
        };

        $part->{data} .= $payload;
        $part->{frames}++;

        return $self->whole(delete $self->{partial}) if $frame->{fin};
    }

    return undef;
}


# A message whose last frame is here: inflated, and checked to be UTF-8.
sub whole {
    my ($self, $message) = @_;

    if ($message->{compressed} && $self->{deflate}) {
        $message->{data} = $self->{deflate}->inflate($message->{data});
        push @{$self->{faults}}, 'does not inflate'
            unless defined $message->{data};
    }

    my $text = $message->{data} // '';
    push @{$self->{faults}}, 'not UTF-8'
        if $message->{opcode} == 1 && !utf8::decode($text);

    return $message;
}


# The next message { opcode, data, frames, compressed }; undef if none comes.
sub recv_message {
    my ($self, $timeout) = @_;
    my $end = $self->deadline($timeout);

    while (my $event = $self->event_before($end)) {
        return $event if $event->{opcode} < 8;
        return undef if $event->{opcode} == 8;
    }

    return undef;
}


# The next message's octets.
sub recv_data {
    my ($self, $timeout) = @_;
    my $message = $self->recv_message($timeout) or return undef;
    return $message->{data};
}


# The next message's characters.
sub recv_text {
    my ($self, $timeout) = @_;
    my $text = $self->recv_data($timeout);
    utf8::decode($text) if defined $text;
    return $text;
}


# The next message decoded from JSON.
sub recv_json {
    my ($self, $timeout) = @_;
    my $data = $self->recv_data($timeout);
    my $value = defined $data ? eval { $json->decode($data) } : return undef;

    push @{$self->{faults}}, "not JSON: $data" if $@;
    return $value;
}


# The next JSON message of a type, or one that a function finds right; those
# before it are added to skipped().
sub recv_until {
    my ($self, $want, $timeout) = @_;
    my $end = $self->deadline($timeout);

    my $right = ref $want ? $want
        : sub { ref $_[0] eq 'HASH' && ($_[0]{type} // '') eq $want };

    while (defined(my $value = $self->recv_json(
               $end - clock_gettime(CLOCK_MONOTONIC))))
    {
        local $_ = $value;
        return $value if $right->($value);
        push @{$self->{skipped}}, $value;
    }

    return undef;
}


# Sends a command with an id and returns the message that answers it.
sub command {
    my ($self, $command, $timeout) = @_;
    my $id = $command->{id} // 'c' . ++$self->{commands};

    $self->send_json({ %$command, id => $id });

    return $self->recv_until(sub {
        ref $_ eq 'HASH' && defined $_->{id} && $_->{id} eq $id;
    }, $timeout);
}


# All messages (octets) that come before the answer to a ping sent now; undef
# if none comes.  This, not a pause, shows that nothing more was sent.
sub sync {
    my ($self, $timeout) = @_;
    my $end = $self->deadline($timeout);
    my $mark = 'sync ' . ++$self->{syncs};
    my @data;

    $self->send_frame(9, $mark);

    while (my $event = $self->event_before($end)) {
        return undef if $event->{opcode} == 8;
        return \@data if $event->{opcode} == 10 && $event->{payload} eq $mark;
        push @data, $event->{data} if $event->{opcode} < 8;
    }

    return undef;
}


# All messages (octets) that are here already, without waiting.
sub take {
    my ($self) = @_;
    my @data;

    $self->fill(0);

    while (my $event = $self->event_before(0)) {
        push @data, $event->{data} if $event->{opcode} < 8;
    }

    return @data;
}


# Waits for the server's close: (code, reason, whether it then ended TCP).  It
# is answered, unless reply => 0.  1006 is an end without a close, 1005 a close
# without a code; nothing is returned when time is up.
sub expect_close {
    my ($self, $timeout, %opt) = @_;
    my $end = $self->deadline($timeout);

    1 while !$self->{closed} && $self->event_before($end);

    if (!$self->{closed}) {
        return $self->{eof} ? (1006, '', 1) : ();
    }

    my ($code, $reason) = @{$self->{closed}};

    $self->send_frame(8, $code == 1005 ? '' : pack 'n', $code)
        if ($opt{reply} // 1) && !$self->{close_sent}++;

    return ($code, $reason, $self->eof($end - clock_gettime(CLOCK_MONOTONIC)));
}


# Sends a close and waits for the answer, as expect_close() does.
sub close {
    my ($self, $code, $reason, $timeout) = @_;

    $self->{close_sent} = 1;
    $self->send_frame(8, defined $code ? pack('n', $code) . ($reason // '')
                                       : '');
    return $self->expect_close($timeout);
}


1;
