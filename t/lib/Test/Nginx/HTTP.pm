package Test::Nginx::HTTP;

# Ports, plain HTTP requests, and the log of what was said.

use warnings;
use strict;

use parent 'Exporter';

use IO::Socket::INET;

our @EXPORT_OK = qw/
    log_in log_out log_core port
    http http_get http_head http_start http_end http_content
/;

my $TIMEOUT = 8;    # seconds for one request

my %ports;          # number in the test file => { port, socket }


# The real port for a number; free, and kept from other test files.
sub port {
    my ($number, %opt) = @_;

    $ports{$number} //= pick_port($number, $opt{udp});

    return $ports{$number}{$opt{socket} ? 'socket' : 'port'};
}


# Holds a port by binding it in the protocol that the test does not use.
sub pick_port {
    my ($port, $udp) = @_;

    my $tcp = sub {
        return IO::Socket::INET->new(Proto => 'tcp', Listen => 1, Reuse => 1,
                                     LocalAddr => shift, LocalPort => $port);
    };

    for (1 .. 200) {
        my $lock = $udp ? $tcp->('127.0.0.1')
            : IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1',
                                    LocalPort => $port);

        my $free = $lock && ($udp
            ? IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1',
                                    LocalPort => $port)
            : $tcp->('0.0.0.0'));

        return { port => $port, socket => $lock } if $free;

        $port = 8000 + int rand 1000;
    }

    die "no free port\n";
}


# Shows what went to nginx, where TEST_NGINX_VERBOSE is set.
sub log_out {
    log_core('>>', @_);
}


# Shows what came from nginx, where TEST_NGINX_VERBOSE is set.
sub log_in {
    log_core('<<', @_);
}


# One comment of TAP, with what cannot be printed escaped.
sub log_core {
    my ($prefix, $text) = @_;

    return if !$ENV{TEST_NGINX_VERBOSE} || !defined $text;

    my $more = length($text) - 2048;
    $text = substr($text, 0, 2048) . "(... $more bytes more)" if $more > 0;

    for my $line (split /(?<=\n)/, $text) {
        $line =~ s/([^\x20-\x7e])/sprintf '\\x%02x', ord $1/ge;
        print "# $prefix $line\n";
    }
}


# The answer to a GET over HTTP/1.0.
sub http_get {
    my ($url, %extra) = @_;
    return http("GET $url HTTP/1.0\nHost: localhost\n\n", %extra);
}


# The answer to a HEAD over HTTP/1.0.
sub http_head {
    my ($url, %extra) = @_;
    return http("HEAD $url HTTP/1.0\nHost: localhost\n\n", %extra);
}


# The answer to a request, or with start => 1 the socket it went to.
sub http {
    my ($request, %extra) = @_;
    my $s = http_start($request, %extra);

    return $s if $extra{start} || !defined $s;
    return http_end($s, %extra);
}


# Connects and sends; undef if that fails.
sub http_start {
    my ($request, %extra) = @_;

    return in_time(sub {
        my $s = $extra{socket} || IO::Socket::INET->new(
            Proto => 'tcp',
            PeerAddr => '127.0.0.1:' . port($extra{SSL} ? 8443 : 8080),
            %extra,
        ) or die "cannot connect to nginx: $!\n";

        if ($extra{SSL}) {
            require IO::Socket::SSL;
            IO::Socket::SSL->start_SSL($s, SSL_verify_mode => 0, %extra)
                or die IO::Socket::SSL::errstr() . "\n";
        }

        log_out($request);
        $s->print($request);

        return '' if $extra{aborted};

        if (defined $extra{body}) {
            log_out($extra{body});
            $s->print($extra{body});
        }

        return $s;
    });
}


# Reads until nginx closes; undef if it does not in time.
sub http_end {
    my ($s) = @_;

    my $reply = in_time(sub {
        local $/;
        my $text = $s->getline();
        $s->close();
        return $text;
    });

    log_in($reply);
    return $reply;
}


# Runs a function that may block, for the time that one request may take.
sub in_time {
    my ($code) = @_;

    my $result = eval {
        local $SIG{ALRM} = sub { die "timed out\n" };
        local $SIG{PIPE} = sub { die "the peer closed\n" };
        alarm $TIMEOUT;
        my $value = $code->();
        alarm 0;
        $value;
    };

    my $error = $@;
    alarm 0;
    log_core('!!', $error) if $error;
    return $result;
}


# The body of an answer, chunks put together.
sub http_content {
    my ($text) = @_;

    return undef unless defined $text
                        && $text =~ /^(.*?)\x0d?\x0a\x0d?\x0a(.*)\z/s;
    my ($head, $body) = ($1, $2);

    return $body unless $head =~ /^Transfer-Encoding:\s*chunked/im;

    my $content = '';

    while ($body =~ s/^([0-9a-f]+)[^\x0a]*\x0a//i) {
        return $content if hex($1) == 0;
        $content .= substr $body, 0, hex($1), '';
        $body =~ s/^\x0d?\x0a//;
    }

    return $content . '[no-last-chunk]';
}


1;
