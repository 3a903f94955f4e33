package Test::Conductor::Backend;

# A back end over HTTP that does what it is told, and remembers what it was
# asked: one process, any number of connections.

use warnings;
use strict;

use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use Time::HiRes qw/ time /;

use Test::Nginx;

use Exporter 'import';

our @EXPORT = qw/ backend asked /;


# Starts a back end on a port.  What is to be done with a call is in the object
# "do" of its message, or by its kind in %do:
#
#   answer  what it answers, as JSON; text as it is
#   status  the status, 200
#   delay   seconds until then
#   drop    the connection ends instead, after so many bytes of the answer
#   chunked  without saying how long it is

sub backend {
    my ($t, $port, %do) = @_;

    $t->run_daemon(\&serve, $t->testdir() . "/backend-$port.log",
                   port($port), \%do);
    $t->waitforsocket('127.0.0.1:' . port($port));
}


# What a back end was asked, in order: objects, with "at" and "inflight", which
# is how many calls it had then.

sub asked {
    my ($t, $port) = @_;
    my $file = $t->testdir() . "/backend-$port.log";

    open my $fh, '<', $file or return;
    my @lines = <$fh>;

    return map { decode_json($_) } grep { /\n$/ } @lines;
}


sub serve {
    my ($file, $port, $do) = @_;

    my $listen = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$port",
        Listen => 512, ReuseAddr => 1, Blocking => 0)
        or die "cannot listen: $!\n";

    open my $log, '>>', $file or die "cannot open $file: $!\n";
    $log->autoflush(1);

    my $select = IO::Select->new($listen);
    my (%in, @due);
    my $inflight = 0;

    while (1) {
        @due = sort { $a->{at} <=> $b->{at} } @due;

        my $wait = @due ? $due[0]{at} - time() : 10;

        for my $s ($select->can_read($wait < 0 ? 0 : $wait)) {

            if ($s == $listen) {
                my $c = $listen->accept() or next;
                $select->add($c);
                $in{fileno $c} = '';
                next;
            }

            if (!sysread($s, $in{fileno $s}, 65536, length $in{fileno $s})) {
                $inflight -= grep { $_->{to} == $s } @due;
                @due = grep { $_->{to} != $s } @due;
                $select->remove($s);
                delete $in{fileno $s};
                close $s;
                next;
            }

            while (my $r = request(\$in{fileno $s})) {
                $inflight++;
                print $log encode_json({ %$r, at => time(),
                                         inflight => $inflight }), "\n";
                push @due, reply($s, $r, $do);
            }
        }

        while (@due && $due[0]{at} <= time()) {
            my $d = shift @due;
            syswrite $d->{to}, $d->{text};
            $inflight--;

            if ($d->{close}) {
                $select->remove($d->{to});
                delete $in{fileno $d->{to}};
                close $d->{to};
            }
        }
    }
}


# One request of what has come, or nothing yet.

sub request {
    my ($buf) = @_;

    $$buf =~ /^(\S+) (\S+) [^\r]*\r\n(.*?)\r\n\r\n/s or return;
    my ($method, $uri, $head, $skip) = ($1, $2, $3, $+[0]);

    my ($len) = $head =~ /^Content-Length: (\d+)/mi;
    $len //= 0;
    return if length($$buf) < $skip + $len;

    my $body = substr $$buf, $skip, $len;
    substr $$buf, 0, $skip + $len, '';

    my %headers = map { /^([^:]+): (.*)/ ? (lc $1, $2) : () }
        split /\r\n/, $head;

    return { method => $method, uri => $uri, headers => \%headers,
             body => decode_json($body), bytes => length $body };
}


sub reply {
    my ($s, $r, $do) = @_;
    my $d = $r->{body}{message}{do} // $do->{$r->{body}{kind}} // {};

    my $answer = $d->{answer} // {};
    $answer = encode_json($answer) if ref $answer;

    my $status = $d->{status} // 200;
    my $keep = ($r->{headers}{connection} // '') ne 'close';

    my $length = 'Content-Length: ' . length $answer;

    if ($d->{chunked}) {
        $length = 'Transfer-Encoding: chunked';
        $answer = sprintf("%x\r\n%s\r\n", length $answer, $answer)
            . "0\r\n\r\n";
    }

    my $text = "HTTP/1.1 $status X\r\n$length\r\n"
        . 'Connection: ' . ($keep ? 'keep-alive' : 'close') . "\r\n\r\n"
        . $answer;

    $text = substr $text, 0, length($text) - length($answer) + $d->{drop}
        if defined $d->{drop};

    return { to => $s, at => time() + ($d->{delay} // 0), text => $text,
             close => !$keep || defined $d->{drop} };
}


1;
