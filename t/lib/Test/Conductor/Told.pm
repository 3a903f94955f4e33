package Test::Conductor::Told;

# A back end that notes what it is told, and answers as a test wants.

use strict;
use warnings;

use Exporter qw/ import /;
use IO::Select;
use IO::Socket::INET;
use JSON::PP;

use Test::Conductor;
use Test::Nginx;

our @EXPORT = qw/ told tell_back tell_slowly /;


# Starts one on a port of its own; told() is what it was told so far: the
# objects, in their order.
sub told {
    my ($t, $port) = @_;
    my $file = file($t, $port);

    if (!-e $file) {
        tell_back($t, $port, 200);
        $t->write_file("told.$port", '');
        $t->run_daemon(\&serve, $file, Test::Nginx::port($port), "$file.say");
        $t->waitforsocket('127.0.0.1:' . Test::Nginx::port($port));
        return;
    }

    open my $f, '<', $file or die "$file: $!";
    return map { JSON::PP->new()->decode($_) } <$f>;
}


# From now on it answers with this status; 0: not at all.  And with another one
# to what is said of a user.
sub tell_back {
    my ($t, $port, $status, $user, $other) = @_;

    say_so($t, $port, 0, $status, $user // (), $other // ());
}


# Likewise, but it takes so many seconds for each thing.
sub tell_slowly {
    my ($t, $port, $status, $time) = @_;

    say_so($t, $port, $time, $status);
}


sub say_so {
    my ($t, $port, @say) = @_;
    my $file = file($t, $port) . '.say';

    open my $f, '>', "$file.new" or die "$file.new: $!";
    print $f join ' ', @say;
    close $f;

    rename "$file.new", $file or die "$file: $!";
}


sub file {
    my ($t, $port) = @_;
    return $t->testdir() . "/told.$port";
}


sub serve {
    my ($file, $port, $say) = @_;
    my %in;

    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $port, Listen => 128, ReuseAddr => 1, Proto => 'tcp')
        or die "cannot listen on $port: $!";
    my $all = IO::Select->new($listen);

    for ( ;; ) {
        for my $s ($all->can_read()) {

            if ($s == $listen) {
                $s = $listen->accept() or next;
                $in{$s} = '';
                $all->add($s);
                next;
            }

            if (sysread($s, $in{$s}, 65536, length $in{$s})
                && !answered($s, \$in{$s}, $file, $say))
            {
                next;
            }

            $all->remove($s);
            delete $in{$s};
            close $s;
        }
    }
}


# True when that connection has had its answer.
sub answered {
    my ($s, $in, $file, $say) = @_;
    my ($length) = $$in =~ /\r\nContent-Length: (\d+)\r\n.*\r\n\r\n/si
        or return 0;
    my $body = substr $$in, index($$in, "\r\n\r\n") + 4;

    return 0 if length $body < $length;

    open my $f, '<', $say or return 1;
    my ($time, $status, $user, $other) = split ' ', <$f>;
    close $f;

    select undef, undef, undef, $time if $time;
    $status = $other if $user && $body =~ /"userId":"\Q$user\E"/;

    if ($status == 200) {
        open my $out, '>>', $file or die "$file: $!";
        syswrite $out, "$body\n";
        close $out;
    }

    return 0 if $status == 0;

    syswrite $s, "HTTP/1.1 $status It is\r\nContent-Length: 0\r\n"
        . "Connection: close\r\n\r\n";
    return 1;
}


1;
