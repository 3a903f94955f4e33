#!/usr/bin/perl

# The load client of the soak: who is seen offline too early has flapped, and
# nobody else has, however late the client itself is.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib', '../bench';
use Test::Nginx;
use Test::Conductor;
use Bench::Soak::Clients;

use IO::Socket::INET;
use JSON::PP;
use MIME::Base64 qw/ decode_base64url /;
use Time::HiRes qw/ time /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

use constant { LEAVE => 10 };

plan(skip_all => 'the load client is not built: make build/bench/load')
    unless -x '../build/bench/load';
plan(tests => 8);

local $SIG{ALRM} = sub { die "nothing happens\n" };
alarm 40;

# A server that says of times what it likes.  The watcher is user-0; user-1
# comes and goes.

my $listen = IO::Socket::INET->new(Listen => 10, LocalAddr => '127.0.0.1')
    or die "no port: $!\n";
my $clients = Bench::Soak::Clients->new({ port => $listen->sockport() },
    clients => 2, watchers => 1, publishers => 1, leave => LEAVE);
my %there;

meet() for 1 .. 2;
there();

is(flaps(time + 1), 1, 'offline while it is there');

my $end = time;
leave();
is(flaps($end + 1), 1, 'offline before the time to leave is over');
is(flaps($end + LEAVE), 0, 'offline then');
back();

# the client finds the end and what came of it a second later

kill 'STOP', $clients->{pid};
$end = time;
leave();
second_after($end);
kill 'CONT', $clients->{pid};
is(flaps($end + LEAVE), 0, 'offline in time, seen by a client that is late');
back();

kill 'STOP', $clients->{pid};
second_after(time);
kill 'CONT', $clients->{pid};
is(flaps(time + 1), 1, 'a client that was late finds what is wrong');

# the time to leave begins with the close frame, not with the end

$end = time;
closing('retry=500');
second_after($end);
leave();
is(flaps($end + 1), 1, 'offline before it was to come back');
is(flaps($end + 0.5 + LEAVE), 0, 'offline in time after a close frame');
back();

is($clients->command('stats')->{errors}, 0, 'no errors');


# Answers the handshake of one of them.
sub meet {
    my $s = $listen->accept();
    my $in = '';

    sysread $s, $in, 4096, length $in until $in =~ /\r\n\r\n/;

    my ($claims) = $in =~ /Bearer [^.]+\.([^.]+)/;
    my $user = decode_json(decode_base64url($claims))->{sub};

    $there{$user} = $s;
    syswrite $s, "HTTP/1.1 101 Switching Protocols\r\n"
        . "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        . text_frame(sprintf '{"type":"welcome","timestamp":%.0f}',
                     1000 * time);

    return if $user ne 'user-0';

    syswrite $s, text_frame('{"type":"presence-list","reviewers":[],"total":0,'
        . '"truncated":false,"timestamp":' . int(1000 * time) . '}');
}


sub there {
    wait_for(sub { $clients->command('stats')->{open} == 2 });
}


sub leave {
    close delete $there{'user-1'};
}


sub back {
    meet();
    there();
}


# Whatever happens meanwhile, it is a second later.
sub second_after {
    my ($then) = @_;

    wait_for(sub { time > $then + 1 });
}


# Sends a close frame and reads the answer.
sub closing {
    my ($reason) = @_;
    my $s = $there{'user-1'};

    syswrite $s, pack 'CCna*', 0x88, 2 + length $reason, 1012, $reason;
    sysread $s, my $in, 4096;
}


# Tells the watcher that user-1 was seen offline then.
sub flaps {
    my ($at) = @_;
    my $before = $clients->command('stats');
    my $now;

    # it has found the end, if there is one

    wait_for(sub {
        $clients->command('stats')->{open} == keys %there;
    });

    syswrite $there{'user-0'}, text_frame(sprintf '{"type":"presence-update",'
        . '"reviewerId":"user-1","status":"offline","currentFeature":null,'
        . '"timestamp":%.0f}', 1000 * $at);

    wait_for(sub {
        $now = $clients->command('stats');
        return $now->{updates} > $before->{updates};
    });

    return $now->{flaps} - $before->{flaps};
}


sub text_frame {
    my ($text) = @_;

    return length $text < 126 ? pack('CC/a', 0x81, $text)
        : pack('CCn/a', 0x81, 126, $text);
}
