#!/usr/bin/perl

# The load client of the bench: it counts what there is, and finds what is
# lost, doubled or in a wrong order.

# Runs alone: it offers events at a rate that the machine must keep.

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

$t->plan(21);

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
        presence memory tick=10ms;

        channel presence:updates { }
        channel c  { default on; }
        event task-status-changed { channel c; }
    }

    conductor_hub apart {
        zone     8m;
        history  events=10000 size=4m;

        channel c  { default on; }
        event task-status-changed { channel c; }
    }

    server {
        listen 127.0.0.1:8080 reuseport;
        listen 127.0.0.1:8081 reuseport;

        location /ws {
            conductor                 h;
            conductor_jwt_key         HS256 "the bench's own secret of enough bytes";
            conductor_limit_messages  off;
        }

        location /publish { conductor_publish h; }
    }

    server {
        listen 127.0.0.1:8082 reuseport;

        location /ws {
            conductor          apart;
            conductor_jwt_key  HS256 "the bench's own secret of enough bytes";
        }

        location /publish { conductor_publish apart; }
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

# one change of each, since two of one that fall into a tick are one

($status, $r) = load(@server, qw/ case=presence clients=100 watchers=30
                                  changes=100 seconds=1 /);
is("$status $r->{changes} " . join(' ', @$r{qw/ lost doubled errors /}),
    '0 100 0 0 0', 'presence: each watcher gets each change, once');

# several servers: 8080 and 8081 are of one hub, 8082 is not

my @fixed = qw/ peer=conductor case=fixed clients=40 rate=50 seconds=0.5 /;

($status, $r) = load(@fixed, 'port=' . port(8080) . ',' . port(8081));
is("$status $r->{messages} " . faults($r), '0 25 0 0 0 0',
    'two servers that are one hub');
ok($r->{near_p99_us} > 0 && $r->{far_p99_us} > 0,
    'it is known when the last client of each has a message');

($status, $r) = load(@fixed, 'port=' . port(8080) . ',' . port(8082),
    'apart=1');
is("$status $r->{messages} " . faults($r), '0 50 0 0 0 0',
    'two servers apart, each gets all messages');

($status, $r) = load(@fixed, 'port=' . port(8080) . ',' . port(8081),
    'apart=1');

# All of both have one order, and the client leaves when each has its own: a
# connection lacks at most the other server's last.

ok($status == 3 && $r->{errors} >= 1220 && $r->{errors} <= 1240,
    'what servers apart do not have is wrong')
    or diag("$status $r->{errors}");

# a server that does it wrong: the second message twice, the third never, the
# fourth after the fifth

my $bad = listening();

$t->run_daemon(\&bad_server, $bad);

($status, $r) = load('peer=bare', 'port=' . $bad->sockport(),
    qw/ case=fixed clients=3 rate=8 seconds=1 publishers=1 /);

is($status, 3, 'a server that does it wrong is found out');
is($r->{lost}, 3, 'a message that is lost counts for each client');
is($r->{doubled}, 3, 'so does one that comes twice');
is($r->{reordered}, 3, 'and one that comes late');

# the same of presence, and no list

my @presence = qw/ peer=conductor case=presence clients=3 watchers=2 changes=8
                   seconds=1 wait=2 /;

$bad = listening();
$t->run_daemon(\&bad_presence, $bad, 1);
($status, $r) = load(@presence, 'port=' . $bad->sockport());

is($status, 3, 'a server that tells changes wrongly is found out');
is($r->{lost}, 2, 'a change that is not told counts for each watcher');
is($r->{doubled}, 2, 'so does one that is told twice');

$bad = listening();
$t->run_daemon(\&bad_presence, $bad, 0);
($status, $r) = load(@presence, 'port=' . $bad->sockport());

is("$status $r->{said}", "1 bench: 2 of 2 watchers have no list\n",
    'nothing is measured without a list for every watcher');


sub listening {
    return IO::Socket::INET->new(Listen => 10, LocalAddr => '127.0.0.1')
        || die "no port: $!\n";
}


sub load {
    my $said = `'$load' @{[ map { "'$_'" } @_ ]} 2>&1`;
    my $code = $? >> 8;

    return ($code, $said =~ /^\{/ ? decode_json($said) : { said => $said });
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

            for my $text (bodies($in)) {
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
}


# The bodies of requests.
sub bodies {
    my ($in) = @_;
    my @bodies;

    while ($in =~ s/^.*?Content-Length: (\d+).*?\r\n\r\n//s) {
        push @bodies, substr $in, 0, $1, '';
    }

    return @bodies;
}


# Tells every client the changes of all, the fifth twice and the sixth never.
sub bad_presence {
    my ($listen, $lists) = @_;

    my $select = IO::Select->new($listen);
    my (@clients, $in);

    for (;;) {
        for my $s ($select->can_read()) {

            if ($s == $listen) {
                $select->add($listen->accept());

            } elsif (!sysread($s, $in, 65536)) {
                $select->remove($s);

            } elsif ($in =~ /^GET/) {
                syswrite $s, "HTTP/1.1 101 Switching Protocols\r\n"
                    . "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                    . "\r\n" . text_frame('{"type":"welcome"}');
                push @clients, $s;

            } else {
                bad_answer($s, $_, $lists, @clients) for masked_texts($in);
            }
        }
    }
}


sub bad_answer {
    my ($s, $text, $lists, @clients) = @_;

    if ($text =~ /change-(\d+)/) {
        my $frame = text_frame('{"type":"presence-update",'
            . '"currentFeature":"change-' . $1 . '"}');

        syswrite $_, $frame x ($1 == 4 ? 2 : $1 == 5 ? 0 : 1) for @clients;

    } elsif ($lists) {
        syswrite $s, text_frame('{"type":"presence-list"}');
    }
}


# The texts of masked frames, each of at most 125 bytes.
sub masked_texts {
    my ($in) = @_;
    my @texts;

    while (length $in) {
        my ($len, $mask) = unpack 'xCa4', $in;

        $len &= 0x7f;
        push @texts, substr($in, 6, $len) ^ substr $mask x 32, 0, $len;
        $in = substr $in, 6 + $len;
    }

    return @texts;
}


sub text_frame {
    my ($text) = @_;

    return length $text < 126 ? pack('CC/a', 0x81, $text)
        : pack('CCn/a', 0x81, 126, $text);
}
