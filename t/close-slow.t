#!/usr/bin/perl

# Clients that read slowly what is in front of their close frame.

# Runs alone: it looks at what is late.

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
    ->has_daemon('openssl')->plan(8);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     16m;
        history  events=10000 size=12m;

        channel c { default on; }
        event e { channel c; }
    }

    client_max_body_size  4m;
    conductor_auth        off;
    conductor_limit_conn  off;
    conductor_max_queue   8k;

    server {
        listen 127.0.0.1:8080 sndbuf=4k;
        listen 127.0.0.1:8443 ssl sndbuf=4k;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location /        { conductor h; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

certificate($t);

$t->run();

# how many events each reads in a quarter of a second

my @clients = map { { ssl => $_->[0], step => $_->[1], n => 0 } }
              [ 0, 8 ], [ 1, 8 ], [ 0, 1 ];

for my $client (@clients) {
    $client->{ws} = ws_connect($t, '/', ssl => $client->{ssl}, rcvbuf => 2048,
                               read_size => 2048);
    $client->{ws}->recv_until('welcome');
}

my $never = ws_connect($t, '/', rcvbuf => 2048);
$never->recv_until('welcome');

is((publish($t, [ map { { type => 'e', n => $_, s => 'x' x 2000 } }
                  1 .. 640 ]))[0], 200, 'more is published than may wait');

for (1 .. 100) {
    my @left = grep { !$_->{end} } @clients or last;
    read_some($_) for @left;
    select undef, undef, undef, 0.25;
}

is($clients[0]{end}, '1013 too slow 1',
    'who reads on for more than a second comes to the close frame');
is($clients[1]{end}, '1013 too slow 1', 'over TLS, too');
is($clients[2]{end}, '1006  1', 'but nobody may read for ever');
cmp_ok($clients[2]{n}, '>', 20, 'though longer than the others');
is_deeply([ map { $_->{ws}->faults() } @clients ], [], 'no frame is torn');

ok(wait_for(sub { (health($t))[1]{connections} == 0 }), 'all are given back');
ok($never->eof(), 'also who never reads');


# Reads a client's next events, and its end behind them.
sub read_some {
    my ($client) = @_;

    for (1 .. $client->{step}) {
        if (!$client->{ws}->recv_json()) {
            $client->{end} = join ' ', $client->{ws}->expect_close();
            return;
        }

        $client->{n}++;
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
