#!/usr/bin/perl

# Clients that send or read an octet at a time: they are served as all others,
# and nobody waits for them.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use IO::Select;
use Time::HiRes qw/ clock_gettime CLOCK_MONOTONIC /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl /))
    ->has_daemon('openssl')->plan(11);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     8m;
        history  events=1000 size=4m;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth        off;
    conductor_limit_conn  off;
    conductor_ping        off;

    server {
        listen 127.0.0.1:8080 sndbuf=4k;
        listen 127.0.0.1:8443 ssl sndbuf=4k;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location / { conductor h; }

        location /data {
            conductor              h;
            conductor_idle_timeout 1s data;
        }

        location /ping {
            conductor      h;
            conductor_ping 300ms timeout=300ms;
        }

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

certificate($t);

$t->run();

my $quick = ws_connect($t, '/');
$quick->recv_until('welcome');

my ($n, $missed) = (0, 0);

# octets that are sent: a turn of all clients, an event, the next octet of all

my @drips = map { ws_connect($t, '/', ssl => $_ % 2, raw_request => '',
                             wait => 0) } 1 .. 20;
octets($t, map { [ $_, $_->request('/') ] } @drips);

is(scalar(grep { $_->handshake() && $_->recv_until('welcome') } @drips), 20,
    'handshakes may come octet by octet');

octets($t, map { [ $_, frame(1, '{"type":"ping","id":"' . $_->sock()->fileno()
                            . '"}') ] } @drips);

is(scalar(grep { $_->recv_until('pong')->{id} == $_->sock()->fileno() }
               @drips), 20, 'so may messages');

octets($t, map { [ $_, frame(1, '{"type":', fin => 0) . frame(9, 'still')
                   . frame(0, '"ping","id":"parts"}') ] } @drips);

is(scalar(grep { $_->recv_until('pong')->{id} eq 'parts'
                 && "@{$_->pongs()}" eq 'still' } @drips), 20,
    'in fragments, with a ping between them');
is($missed, 0, "others got $n events meanwhile");

# octets that are read

my @events = map { { type => 'e', n => $_, s => chr(97 + $_ % 26) x 1500 } }
             1 .. 40;
my @readers = map { my $ws = ws_connect($t, '/', ssl => $_, rcvbuf => 2048,
                                        read_size => 1);
                    $ws->recv_until('welcome'); $ws } 0, 1;

publish($t, [ @events ]);
$quick->recv_until(sub { ($_->{s} // '') ne '' && $_->{n} == 40 });

for (1 .. 100) {
    for my $ws (@readers) {
        sysread $ws->sock(), $ws->{in}, 1, length $ws->{in};
    }

    event($t);
}

is($missed, 0, "$n events come to others while two clients read an octet each");

for my $ws (@readers) {
    my @got = map { my $m = $ws->recv_json() // {};
                    substr($m->{s} // '', 0, 1) . length($m->{s} // '') }
              @events;
    is("@got", "@{[ map { substr($_->{s}, 0, 1) . 1500 } @events ]}",
        'they lose nothing by it');
}

is_deeply([ map { $_->faults() } @readers, @drips, $quick ], [],
    'and find no fault');

# what moves, but never comes to an end

my $drip = ws_connect($t, '/data');
my $closed = endless($drip);
is(join(' ', ($closed->expect_close())[0, 2]), '4408 1',
    'where only messages count, a part of one does not');

# who reads so slowly that a ping is not seen in time

my $late = ws_connect($t, '/ping', rcvbuf => 2048);
$late->recv_until('welcome');
publish($t, [ map { { type => 'e', n => -1, s => 'x' x 20000 } } 1 .. 4 ]);

ok(wait_for(sub { $t->find_in_file('error.log', qr/a ping was not answered/) }),
    'who does not come to read the ping is gone');
ok(wait_for(sub { (health($t))[1]{connections} == 23 }), 'and nobody else');


# Sends one octet of each client's text, then the next of each, with an event
# for another client in between.
sub octets {
    my ($nginx, @all) = @_;
    my $i = 0;

    while (my @left = grep { $i < length $_->[1] } @all) {
        $_->[0]->send_raw(substr $_->[1], $i, 1) for @left;
        event($nginx) if ++$i % 10 == 0;
    }
}


# An event that must come to the quick client at once.
sub event {
    my ($nginx) = @_;

    publish($nginx, { type => 'e', n => ++$n });
    my $event = $quick->recv_until('e');
    $missed++ if !$event || $event->{n} != $n;
}


# Sends parts of one frame, fifty a second, until the server has closed.
sub endless {
    my ($ws) = @_;
    my $end = clock_gettime(CLOCK_MONOTONIC) + 10;

    $ws->recv_until('welcome');
    my $frame = frame(1, 'x' x 60000);
    my $closed = IO::Select->new($ws->sock());

    while (!$closed->can_read(0.02) && clock_gettime(CLOCK_MONOTONIC) < $end) {
        $ws->send_raw(substr $frame, 0, 1, '') or last;
    }

    return $ws;
}


# A certificate of nobody.
sub certificate {
    my ($nginx) = @_;
    my $d = $nginx->testdir();

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
           . " -nodes -subj /CN=localhost -days 2 -keyout $d/key.pem"
           . " -out $d/cert.pem >/dev/null 2>&1") == 0
        or die "openssl failed\n";
}
