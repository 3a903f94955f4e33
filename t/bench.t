#!/usr/bin/perl

# The load client of the bench: it counts what there is, and finds what is
# lost, doubled or in a wrong order.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use IO::Select;
use IO::Socket::INET;
use JSON::PP;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $load = "$FindBin::Bin/../build/bench/load";
my $t = need_conductor(Test::Nginx->new()->has(qw/ http /));

skip_all('the load client is not built: make build/bench/load')
    unless -x $load;

$t->plan(12);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    keepalive_requests 1000000;

    conductor_hub h {
        zone     8m;
        history  events=10000 size=4m;

        channel c  { default on; }
        event task-status-changed { channel c; }
    }

    server {
        listen 127.0.0.1:8080 reuseport;

        location /ws {
            conductor                 h;
            conductor_jwt_key         HS256 "the bench's own secret of enough bytes";
            conductor_limit_messages  off;
        }

        location /publish { conductor_publish h; }
    }
}

EOF_CONF

$t->run();

my @server = ('peer=conductor', 'port=' . port(8080));
my ($status, $r) = load(@server, qw/ case=fixed clients=40 rate=100 seconds=1 /);

is($status, 0, 'messages at a rate: no fault');
is($r->{messages}, 100, 'all were published');
is(faults($r), '0 0 0 0', 'none lost, doubled, reordered or wrong');
is($r->{orders}, 1, 'all clients had them in the same order');

($status, $r) = load(@server, qw/ case=backlog clients=40 seconds=0.5 /);
is("$status " . faults($r), '0 0 0 0 0', 'nor with a backlog');

($status, $r) = load(@server, qw/ case=handshake clients=10 count=200 /);
is($status, 0, 'handshakes, one after the other');

($status, $r) = load(@server, qw/ case=load clients=20 count=50 rate=50
                                  publishers=1 /);
is("$status " . faults($r), '0 0 0 0 0', 'messages of clients and events');
is($r->{messages}, 1000, 'and all of them are answered');

# a server that does it wrong: the second message twice, the third never, the
# fourth after the fifth

my $bad = IO::Socket::INET->new(Listen => 10, LocalAddr => '127.0.0.1')
    or die "no port: $!\n";

$t->run_daemon(\&bad_server, $bad);

($status, $r) = load('peer=bare', 'port=' . $bad->sockport(),
    qw/ case=fixed clients=3 rate=8 seconds=1 publishers=1 /);

is($status, 3, 'a server that does it wrong is found out');
is($r->{lost}, 3, 'a message that is lost counts for each client');
is($r->{doubled}, 3, 'so does one that comes twice');
is($r->{reordered}, 3, 'and one that comes late');


sub load {
    my $said = `'$load' @{[ map { "'$_'" } @_ ]}`;
    my $code = $? >> 8;

    return ($code, $said =~ /^\{/ ? decode_json($said) : {});
}


sub faults {
    my ($r) = @_;

    return join ' ', map { $r->{$_} // 'none' }
        qw/ lost doubled reordered errors /;
}


# Answers the load client, whose requests come whole.
sub bad_server {
    my ($listen) = @_;

    my $select = IO::Select->new($listen);
    my $count = 0;
    my (@clients, $held, $in);

    for (;;) {
        for my $s ($select->can_read()) {

            if ($s == $listen) {
                $select->add($listen->accept());
                next;
            }

            if (!sysread($s, $in, 65536)) {
                $select->remove($s);
                next;
            }

            if ($in =~ /^GET/) {
                syswrite $s, "HTTP/1.1 101 Switching Protocols\r\n"
                    . "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                    . "\r\n" . text_frame('welcome');
                push @clients, $s;
                next;
            }

            my ($text) = $in =~ /\r\n\r\n(.*)/s;
            my $frame = text_frame($text);

            syswrite $s, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
            $count++;

            my $out = $count == 2 ? $frame x 2
                : $count == 3 ? '' : $count == 4 ? ''
                : $count == 5 ? $frame . $held : $frame;

            $held = $frame if $count == 4;
            syswrite $_, $out for @clients;
        }
    }
}


sub text_frame {
    my ($text) = @_;

    return length $text < 126 ? pack('CC/a', 0x81, $text)
        : pack('CCn/a', 0x81, 126, $text);
}
