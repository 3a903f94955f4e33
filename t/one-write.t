#!/usr/bin/perl

# All that one turn of a worker's loop brings a client goes out in one write.

# Runs alone: what comes in one turn of a loop must be sent in its time.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use IO::Socket::INET;
use List::Util qw/ min /;
use Time::HiRes qw/ clock_gettime CLOCK_MONOTONIC /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()
    ->has(qw/ http http_ssl rewrite socket_ssl /))
    ->has_daemon('openssl')->plan(27);

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
        history  events=10000 size=4m;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth            off;
    conductor_limit_conn      off;
    conductor_ping            off;
    conductor_limit_messages  off;
    keepalive_timeout         60s;

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8443 ssl;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location / {
            conductor h;
            add_header X-Worker $pid always;
        }

        location /echo    { conductor h; conductor_protocol echo; }
        location /publish { conductor_publish h; }
        location /pid     { return 200 "$pid"; }
    }
}

EOF_CONF

certificate($t);

$t->run();
wait_for(sub { worker_pids($t) == workers() });

for my $ssl (0, 1) {
    my $over = $ssl ? ' over TLS' : '';
    my $ws = ws_connect($t, '/', ssl => $ssl);
    my $echo = ws_connect($t, '/echo', ssl => $ssl);
    $ws->recv_until('welcome');

    # what is counted

    is(writes($ws, sub {
        for my $n (1 .. 5) {
            publish($t, { type => 'e', n => $n });
            $ws->recv_until('e');
        }
    }), 5, "events of five turns come in five writes$over");

    # what one turn brings

    my @n;
    my @events = map { { type => 'e', n => $_, s => 'x' x 100 } } 1 .. 60;

    is(writes($ws, sub {
        publish($t, \@events);
        @n = map { $ws->recv_until('e')->{n} } @events;
    }), 1, "sixty events of one publication come in one$over");
    is("@n", "@{[ 1 .. 60 ]}", 'in order');

    my $pings = join '', map { frame(1, qq({"type":"ping","id":$_})) }
                         1 .. 100;

    is(writes($ws, sub {
        $ws->send_raw($pings);
        @n = map { $ws->recv_until('pong')->{id} } 1 .. 100;
    }), 1, "so do a hundred answers$over");
    is("@n", "@{[ 1 .. 100 ]}", 'in order');

    is(writes($ws, sub {
        $ws->send_raw($pings . frame(9, 'x') . frame(1, '{')
                      . frame(1, '{"type":"ping","id":"end"}'));
        $ws->recv_until(sub { ($_->{id} // '') eq 'end' });
    }), 1, "and answers of all kinds$over");

    is(writes($echo, sub {
        $echo->send_raw(join '', map { frame(2, "m$_") } 1 .. 500);
        @n = map { $echo->recv_data() } 1 .. 500;
    }), 1, "and five hundred messages of an echo$over");

    # publications that all wait when the turn begins

    my ($worker) = $ws->header('X-Worker');
    my @publishers = map { publisher($t, $worker) } 1 .. 8;

    is(writes($ws, sub {
        halt($worker);
        publication($_) for @publishers;
        kill 'CONT', $worker;
        $ws->recv_until('e') for @publishers;
        answered($_) for @publishers;
    }), 1, "and what eight publishers bring at once$over");

    is(writes($ws, sub {
        halt($worker);
        publication($publishers[0]);
        $ws->send_json({ type => 'ping', id => 'later' });
        kill 'CONT', $worker;
        answered($publishers[0]);
        my @both = map { $ws->recv_json()->{type} } 1, 2;
        @n = sort @both;
    }), 1, "and an event with an answer$over");
    is("@n", 'e pong', 'each once');

    # what was missed

    my ($since) = @{(publish($t, { type => 'e' }))[1]{eventIds}};
    publish($t, \@events);
    $ws->recv_until(sub { ($_->{n} // 0) == 60 });
    my $back;

    is(writes($ws, sub {
        $back = ws_connect($t, "/?since=$since");
        $back->recv_until('resumed');
    }, sub { $back->segments() - 1 }), 1,
        'a welcome, sixty missed events, and "resumed"') if !$ssl;

    is(writes($ws, sub {
        $back = ws_connect($t, '/?hold=1', ssl => $ssl);
        $back->recv_until('welcome');
        my $before = $back->segments();
        $back->send_json({ type => 'resume', id => 1, since => $since });
        $back->recv_until('resumed');
        $back->{before} = $before;
    }, sub { $back->segments() - $back->{before} }), 1,
        "an answer, sixty missed events, and \"resumed\"$over");

    @n = map { $_->{n} // () } @{$back->skipped()};
    is("@n", "@{[ 1 .. 60 ]}", 'in order');

    my $many = [ map { { type => 'e', n => $_ } } 1 .. 640 ];
    my $count = writes($ws, sub {
        publish($t, $many);
        $ws->recv_until('e') for @$many;
    });

    cmp_ok($count, '<=', $ssl ? 20 : 10,
        "what is too much for one turn takes few ($count)$over");
}


# The segments that some doing brings a client: the least of a few attempts,
# since the kernel may send one again.
sub writes {
    my ($ws, $do, $count) = @_;
    my @counts;

    for (1 .. 5) {
        my $before = $ws->segments();
        $do->();
        push @counts, $count ? $count->() : $ws->segments() - $before;
    }

    return min @counts;
}


# A connection to one worker that is kept for a publication.
sub publisher {
    my ($nginx, $worker) = @_;
    my $end = clock_gettime(CLOCK_MONOTONIC) + 10;

    while (clock_gettime(CLOCK_MONOTONIC) < $end) {
        my $sock = IO::Socket::INET->new('127.0.0.1:' . port(8080))
            or die "cannot connect: $!\n";
        print $sock "GET /pid HTTP/1.1\x0d\x0aHost: localhost\x0d\x0a\x0d\x0a";
        return $sock if answered($sock) =~ /\x0d\x0a\x0d\x0a$worker\z/;
    }

    die "no connection to worker $worker\n";
}


# Sends one event.
sub publication {
    my ($sock) = @_;

    print $sock join "\x0d\x0a", 'POST /publish HTTP/1.1', 'Host: localhost',
        'Content-Type: application/json', 'Content-Length: 12', '',
        '{"type":"e"}';
}


# The answer, which comes in one write.
sub answered {
    my ($sock) = @_;
    sysread $sock, my $answer, 65536 or die "no answer\n";
    return $answer;
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
