#!/usr/bin/perl

# What was missed waits for the client's socket, and the client is not too
# slow for it.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl /))
    ->has_daemon('openssl')->plan(17);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     24m;
        history  events=4000 size=12m;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth            off;
    conductor_limit_conn      off;
    conductor_limit_messages  off;
    conductor_max_queue       8k;

    server {
        listen 127.0.0.1:8080 sndbuf=4k;
        listen 127.0.0.1:8443 ssl sndbuf=4k;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location /            { conductor h; }
        location /compressed  { conductor h; conductor_compress on; }
        location /admin       { conductor_admin h; }
        location /publish     { conductor_publish h; }
        location /health      { conductor_health h; }
    }
}

EOF_CONF

certificate($t);

$t->run();

my $n = 0;
my ($zero) = events(1, 10);
events(10, 2000) for 1 .. 40;

# many times what its queue may hold

my %ways = (
    'plain'                => [ '/' ],
    'compressed'           => [ '/compressed',
                                extensions => 'permessage-deflate' ],
    'over TLS'             => [ '/', ssl => 1 ],
    'a little at a time'   => [ '/', read_size => 700 ],
);

for my $name (sort keys %ways) {
    my ($path, %opt) = @{$ways{$name}};
    my $port = $opt{ssl} ? 8443 : 8080;
    my $ws = ws_connect(port($port), "$path?since=$zero", rcvbuf => 4096,
        %opt);

    # it does not read while all is there to be read, and events come

    events(1, 10);
    my @got = map { $ws->recv_until('e') // {} } 2 .. $n;

    is(join(' ', map { $_->{n} // '-' } @got), join(' ', 2 .. $n),
        "$name: all comes, in order");
    is($ws->command({ type => 'ping' })->{type}, 'pong',
        "$name: and the client goes on");
}

# while it waits, it may be told to go

my $ws = ws_connect(port(8080), "/?since=$zero", rcvbuf => 4096);
my $id = $ws->recv_until('welcome')->{connectionId};
is((api($t, 'DELETE', "/admin/connections/$id"))[0], 200,
    'a client is disconnected while it gets what it missed');
is(($ws->expect_close())[0], 1000, 'and is told so');

$ws = ws_connect(port(8080), "/?since=$zero", rcvbuf => 4096);
$ws->recv_until('e');
$ws->send_json({ type => 'resume', since => $zero, id => 1 });
is($ws->recv_until(sub { defined $_->{id} })->{code}, 'busy',
    'it cannot ask for more than it is given');
is($ws->command({ type => 'subscribe', channel => 'c',
    filter => { n => 7 } })->{type}, 'ack', 'it may want less');
my $resumed = $ws->recv_until('resumed');
cmp_ok($resumed->{count}, '<', 390, 'and gets less');
is($resumed->{recovered}, JSON::PP::true, 'of what there is');

# or be gone

ws_connect(port(8080), "/?since=$zero", rcvbuf => 4096)->vanish() for 1 .. 8;

ok(wait_for(sub { (health($t))[1]{connections} <= 1 }),
    'clients that are gone are gone');

my $figures = (api($t, 'GET', '/health?figures=1'))[1]{figures};
my $dropped = $figures->{dropped}{gone};

is($figures->{dropped}{slow}, undef, 'none was too slow');
cmp_ok($dropped, '<', 10 * 70, 'and little had been prepared for them');


# Publishes so many events of some octets; their ids.
sub events {
    my ($count, $size) = @_;
    my ($status, $body) = publish($t, [ map {
        { type => 'e', n => ++$n, s => 'x' x $size } } 1 .. $count ]);

    die "status $status\n" if $status != 200;
    return @{$body->{eventIds}};
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
