package Test::Conductor::Started;

# A server that was started by one of the two scripts, and a file or two of it.

use warnings;
use strict;

use Exporter qw/ import /;
use IO::Select;
use IO::Socket::INET;

use Test::Conductor qw/ wait_for /;

our @EXPORT = qw/ free_port wait_for slurp logged children
                  at_port listens request get post websocket heard /;

my $port;


# A port that no client is given by chance.
sub free_port {
    for (1 .. 100) {
        my $free = 20000 + int rand 10000;
        my $s = IO::Socket::INET->new(Listen => 1, LocalPort => $free,
            ReuseAddr => 1);

        return $free if $s;
    }

    die "no port: $!\n";
}


# What a file has, '' if it is none.
sub slurp {
    my ($name) = @_;

    return '' if -p $name || -S $name || -d $name;
    open my $fh, '<', $name or return '';
    local $/;
    return scalar <$fh> // '';
}


# What a log has, once it matches.
sub logged {
    my ($name, $re) = @_;

    wait_for(sub { slurp($name) =~ $re });
    return slurp($name);
}


# The processes that this one has begun.
sub children {
    my ($parent) = @_;

    return grep { slurp("/proc/$_/stat") =~ /^\d+ \(.*\) \S $parent /s }
        map { m{(\d+)} } glob '/proc/[0-9]*';
}


# at_port($port): where the server is that all below is about.
sub at_port { $port = shift }
sub listens { return IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") }


# Sends a request, and returns the socket.  One of the headers may be Host.
sub request {
    my ($line, $headers, $body) = @_;
    my $s = listens() or die "cannot connect: $!\n";
    my @host = grep({ /^Host:/ } @$headers) ? () : "Host: localhost:$port";

    syswrite $s, join "\r\n", "$line HTTP/1.1", @host, @$headers, '',
        $body // '';
    return $s;
}


# All of an answer.
sub get {
    my ($uri, @headers) = @_;
    my $s = request("GET $uri", [ 'Connection: close', @headers ]);

    local $/;
    return scalar <$s> // '';
}


# The status of an answer to JSON.
sub post {
    my ($uri, $body, @headers) = @_;
    my $s = request("POST $uri", [ 'Connection: close',
        'Content-Type: application/json', 'Content-Length: ' . length $body,
        @headers ], $body);

    return (<$s> // '') =~ /^HTTP\S+ (\d+)/ ? $1 : 'no answer';
}


sub websocket {
    my ($token) = @_;

    return request('GET /', [ 'Upgrade: websocket', 'Connection: Upgrade',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        "Sec-WebSocket-Protocol: conductor.v1, bearer.$token" ]);
}


# All that comes until it matches, or for half a minute.
sub heard {
    my ($handle, $re) = @_;
    my $got = '';

    while ($got !~ $re) {
        IO::Select->new($handle)->can_read(30)
            && sysread($handle, my $part, 65536) or last;
        $got .= $part;
    }

    return $got;
}


1;
