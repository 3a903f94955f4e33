#!/usr/bin/perl

# The fan-out: every client of every worker gets every event once, in order.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use JSON::PP;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()
    ->has(qw/ http http_ssl rewrite socket_ssl /))->has_daemon('openssl')
    ->plan(18);

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

        channel c      { default on; }
        channel quiet  { default off; }

        event e       { channel c; }
        event hidden  { channel quiet; }
    }

    conductor_auth off;
    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080 reuseport;
        listen 127.0.0.1:8443 reuseport ssl;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location / {
            conductor h;
            add_header X-Worker $pid always;
        }

        location /compressed/ {
            conductor h;
            conductor_compress on;
        }

        location /best/ {
            conductor h;
            conductor_compress 9;
        }

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

certificate($t);

$t->run();

# 48 clients: plain, compressed in three ways, and over TLS

my @kinds = (
    {}, {}, {},
    { path => '/compressed/', extensions => 'permessage-deflate' },
    { path => '/compressed/',
      extensions => 'permessage-deflate; server_max_window_bits=9' },
    { path => '/best/', extensions => 'permessage-deflate' },
    { ssl => 1 },
    { ssl => 1, path => '/compressed/', extensions => 'permessage-deflate' },
);

my $many = many_clients($t, 48,
    path => sub { $kinds[$_[0] % @kinds]{path} // '/' },
    ssl => sub { $kinds[$_[0] % @kinds]{ssl} },
    extensions => sub { $kinds[$_[0] % @kinds]{extensions} });

is($many->open_count(), 48, 'all clients connect');
ok($many->wait_each(1), 'and are welcome');
is((health($t))[1]{connections}, 48, 'and counted');

my %by_worker;
$by_worker{$_->header('X-Worker') // ''}++ for $many->clients();
delete $by_worker{''};

is(join(' ', sort keys %by_worker), join(' ', sort(worker_pids($t))),
    'every worker has some of them');

is(scalar(grep { ($_->header('Sec-WebSocket-Extensions') // '')
    =~ /permessage-deflate/ } $many->clients()), 24, 'half of them compress');

# 1,000 events from three publishers at once

for my $p (1 .. 3) {
    $t->run_daemon(\&publisher, $t, $p, $p == 1 ? 334 : 333);
}

ok($many->run_until(sub { !grep { $many->got($_) < 1001 } 0 .. 47 }, 60),
    'every client gets 1,000 events');

publish($t, { type => 'e', n => 'end' });
ok($many->run_until(sub { !grep { $many->got($_) < 1002 } 0 .. 47 }),
    'and then the next');

my @first = $many->got(0);
my $all = join "\n", @first[1 .. $#first];

is(scalar(@first), 1002, 'and not one more');
is(scalar(grep { join("\n", (splice @{[ $many->got($_) ]}, 1)) eq $all }
    0 .. 47), 48, 'all clients get the same octets in the same order');

my (%n, %ids);
my $wrong = 0;

for my $event (map { decode_json($_) } @first[1 .. $#first - 1]) {
    $wrong++ if $event->{n} != ++$n{$event->{p}};
    $ids{$event->{eventId}}++;
}

is_deeply([ $wrong, @n{1 .. 3} ], [ 0, 334, 333, 333 ],
    "each publisher's events come in its order, none is lost or doubled");
is(scalar(keys %ids), 1000, 'each has an id of its own');

# what is not for everyone

publish($t, [ { type => 'hidden', n => 1 }, { type => 'e', n => 'after' } ]);
$many->run_until(sub { !grep { $many->got($_) < 1003 } 0 .. 47 });

is(scalar(grep { decode_json(($many->got($_))[1002])->{n} eq 'after' }
    0 .. 47), 48,
    'an event of a channel that is off by default reaches nobody');

# those who leave and come

$_->close(1000) for ($many->clients())[0 .. 9];
ok(wait_for(sub { (health($t))[1]{connections} == 38 }),
    'who leaves is not counted any more');

my $late = ws_connect($t, '/compressed/', extensions => 'permessage-deflate');
my $welcome = $late->recv_until('welcome');

publish($t, { type => 'e', n => 'late', s => 'x' x 5000 });

my $message = $late->recv_message();
my $event = decode_json($message->{data});
is($event->{n}, 'late', 'who comes late gets what comes later, and only that');
ok($message->{compressed}, 'compressed, if it is large');
isnt($welcome->{lastEventId}, $event->{eventId},
    'its welcome named an event before');

publish($t, { type => 'e', n => 'short' });
$message = $late->recv_message();
ok(!$message->{compressed}, 'a short event is not compressed');

is_deeply([ map { $_->faults() } $many->clients() ], [],
    'no client finds a fault');


# Publishes N events, numbered, in requests of 1 to 7 of them.
sub publisher {
    my ($nginx, $p, $n) = @_;
    my @events = map { { type => 'e', p => $p, n => $_,
                         s => 'x' x ($_ * $p % 400) } } 1 .. $n;

    for (my $k = 1; @events; $k = $k % 7 + 1) {
        my ($status) = publish($nginx, [ splice @events, 0, $k ]);
        die "status $status\n" if $status != 200;
    }
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