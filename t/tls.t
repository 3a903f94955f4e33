#!/usr/bin/perl

# wss://: certificates, versions, large messages, slow readers and the end.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()
    ->has(qw/ http http_ssl socket_ssl socket_ssl_sslversion /))
    ->has_daemon('openssl')->plan(39);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

error_log %%TESTDIR%%/info.log info;

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    32m;
        channel c { default on; }
        event   e { channel c; }
    }

    ssl_certificate         chain.crt;
    ssl_certificate_key     server.key;
    ssl_password_file       password;
    ssl_protocols           TLSv1.2 TLSv1.3;

    conductor_auth           off;
    conductor_limit_conn     off;
    conductor_limit_messages off;
    conductor_max_message    16m;
    conductor_max_queue      32m;

    server {
        listen 127.0.0.1:8443 ssl;
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /publish { conductor_publish h; client_max_body_size 8m; }

        location /echo {
            conductor          h;
            conductor_protocol echo;
        }

        location = /health { conductor_health h; }
    }

    server {
        listen 127.0.0.1:8444 ssl;

        ssl_client_certificate ca.crt;
        ssl_verify_client      optional;
        conductor_identity     user=$ssl_client_s_dn role=$ssl_client_verify;

        location / { conductor h; }
    }

    server {
        listen 127.0.0.1:8445 ssl;

        ssl_client_certificate ca.crt;
        ssl_verify_client      on;

        location / { conductor h; }
    }

    server {
        listen 127.0.0.1:8446 ssl sndbuf=8k;

        location /short {
            conductor           h;
            conductor_max_queue 20k;
        }

        location / { conductor h; }
    }
}

EOF_CONF

my $d = $t->testdir();

certificates($d);
$t->run();

# Certificates and versions.

my %ca = (SSL_verify_mode => 1, SSL_ca_file => "$d/ca.crt",
          SSL_hostname => 'localhost', SSL_verifycn_name => 'localhost',
          SSL_verifycn_scheme => 'http');

for my $version (qw/ TLSv1_2 TLSv1_3 /) {
    my $ws = ws_connect($t, '/', ssl => 1, %ca, SSL_version => $version);

    is($ws->status(), 101, "a handshake over $version, with its chain")
        or diag($ws->error());
    is($ws->recv_json()->{type}, 'welcome', "a welcome over $version");
    is($ws->sock()->get_sslversion(), $version, 'and no other version');
    is_deeply([ $ws->close(1000) ], [ 1000, '', 1 ], 'a close over it');
}

is(ws_connect($t, '/', ssl => 1, %ca, SSL_ca_file => "$d/self.crt")->status(),
   undef, 'a client that trusts another CA stays away');
like(http("GET / HTTP/1.0\n\n", PeerAddr => '127.0.0.1:' . port(8443)),
     qr/ 400 .*plain HTTP request was sent to HTTPS port/s,
     'a plain request to wss:// is answered by nginx');

# Certificates of clients.

my %crt = (ssl => 1, SSL_cert_file => "$d/client.crt",
           SSL_key_file => "$d/client.key");
my %bad = (ssl => 1, SSL_cert_file => "$d/self.crt",
           SSL_key_file => "$d/self.key");

my $ws = ws_connect(port(8444), '/', %crt);
my $welcome = $ws->recv_json();

is($welcome->{userId}, 'CN=client', 'the user of a certificate');
is($welcome->{role}, 'SUCCESS', 'a role from its verification');
is(ws_connect(port(8444), '/', ssl => 1)->status(), 401,
   'without one there is no user, so no WebSocket');
is(ws_connect(port(8444), '/', %bad)->status(), 400,
   'a foreign certificate is refused by nginx');
is(ws_connect(port(8445), '/', %crt)->status(), 101,
   'a required certificate lets in');
is(ws_connect(port(8445), '/', ssl => 1)->status(), 400,
   'and its lack does not');

# Data in the record of the handshake, and octet by octet.

$ws = ws_connect($t, '/echo', ssl => 1,
                 body => frame(1, 'one') . frame(2, 'two' x 3000));

is($ws->recv_data(), 'one', 'a frame in the record of the handshake');
is($ws->recv_data(), 'two' x 3000, 'and one that goes beyond the buffer');

$ws->send_frame(1, 'slowly', chunk => 1);
is($ws->recv_data(), 'slowly', 'a record for each octet');

my $large = join '', map { chr($_ & 255) } 1 .. 65536;
$large x= 128;

$ws->send_frame(2, $large);
ok($ws->recv_data() eq $large, '8 MiB there and back');
is_deeply([ $ws->faults() ], [], 'without a fault');

# Slow readers: what waited comes whole.

my $slow = ws_connect(port(8446), '/', ssl => 1, rcvbuf => 4096);
$slow->recv_until('welcome');

my $text = 'x' x 30000;
my $sent = 0;

$sent += (publish($t, [ map { { type => 'e', n => $_, text => $text } }
                        $sent * 20 .. $sent * 20 + 19 ]))[0] == 200
    for 1 .. 10;

is($sent, 10, 'events for a client that does not read');

my @got = map { $slow->recv_data() // '' } 1 .. 200;

is(join(' ', map { /"n":(\d+)/ } @got), join(' ', 0 .. 199),
   'it gets all of them, in order');
is(scalar(grep { !/"$text"/ } @got), 0, 'and whole');
is_deeply([ $slow->faults() ], [], 'in good frames');

# Fan-out to both kinds.

my @mix = map { ws_connect($t, '/', ssl => $_ & 1) } 1 .. 20;
$_->recv_until('welcome') for @mix;

publish($t, [ map { { type => 'e', n => $_ } } 1 .. 50 ]);
publish($t, { type => 'e', n => 51, text => 'y' x 100000 });

is(scalar(grep { join(' ', map { $_->{n} } events($_, 51))
                 eq join(' ', 1 .. 51) } @mix), 20,
   'clients with and without TLS get the same');
is(scalar(grep { $_->faults() } @mix), 0, 'without a fault');

# Too slow: a record that is half sent when the rest is dropped stays whole.

for my $size (400, 5000) {
    my $event = { type => 'e', text => 'z' x $size };
    my $n = until_behind($t, my $first = short($t), $event);

    is(join(' ', $first->expect_close()), '1013 too slow 1',
       "1013 over TLS, with events of $size octets");

    $slow = short($t);
    publish($t, $event) for 1 .. int($n * 0.8);
    $slow->recv_data() for 1 .. int($n * 0.5);
    until_behind($t, $slow, $event);

    is(join(' ', $slow->expect_close()), '1013 too slow 1',
       'and after it has read a part');
    is_deeply([ $first->faults(), $slow->faults() ], [],
              'behind whole frames');
}

# The end.

$ws = ws_connect($t, '/echo', ssl => 1);
is(join(' ', $ws->close(1000)), '1000  1', 'a close is answered');
ok(notified($ws), 'and TLS is closed before TCP');

$ws = ws_connect($t, '/echo', ssl => 1);
$ws->send_frame(1, 'x', mask => 0);
is(($ws->expect_close())[0], 1002, 'a wrong frame is refused');
ok(notified($ws), 'and TLS is closed, too');

# Ends without a close.

my @ends = map { ws_connect($t, '/echo', ssl => 1) } 1 .. 4;

$ends[0]->send_frame(2, substr($large, 0, 100000), len => 2 ** 20);
$ends[0]->reset();
$ends[1]->send_frame(8, '');
$ends[1]->drop();
$ends[2]->drop();
$ends[3]->sock()->close();

$_ = undef for @mix, $slow, $ws;

ok(wait_for(sub { (health($t))[1]{connections} == 0 }),
   'however a client ends, it is given back');
is(join('', $t->read_file('info.log') =~ /^.*\[(?:error|crit|emerg)\].*/mg), '',
   'and the log has no error of it');


# The next events of a client.
sub events {
    my ($ws, $n) = @_;
    return map { $ws->recv_until('e') // { n => 'none' } } 1 .. $n;
}


# A slow client whose queue is short.
sub short {
    my ($t) = @_;
    my $ws = ws_connect(port(8446), '/short', ssl => 1, rcvbuf => 4096);

    $ws->recv_until('welcome');
    return $ws;
}


# Publishes until a client is too far behind; how many events that took.
sub until_behind {
    my ($t, $ws, $event) = @_;
    my $seen = behind($t);

    for my $n (1 .. 2000) {
        publish($t, $event);
        return $n if behind($t) > $seen;
    }

    return 2000;
}


# How often a client was found too slow.
sub behind {
    my ($t) = @_;
    open my $f, '<', $t->testdir() . '/info.log' or die;
    my @all = grep { /bytes behind/ } <$f>;
    return scalar @all;
}


# Whether the server's close of TLS has come.
sub notified {
    my ($ws) = @_;
    return Net::SSLeay::get_shutdown($ws->sock()->_get_ssl_object()) & 2;
}


# A root, a certificate below it, and one of localhost below that, with an
# encrypted key; one for a client, and one that nobody knows.
sub certificates {
    my ($d) = @_;

    my $req = 'openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256';
    my $x509 = 'openssl x509 -req -days 2';

    open my $f, '>', "$d/ext" or die;
    print $f "basicConstraints=critical,CA:TRUE\n";
    close $f;

    for ("$req -x509 -days 2 -nodes -subj /CN=ca -keyout ca.key -out ca.crt",
         "$req -x509 -days 2 -nodes -subj /CN=self -keyout self.key "
             . '-out self.crt',
         "$req -nodes -subj /CN=inter -keyout inter.key -out inter.csr",
         "$x509 -in inter.csr -CA ca.crt -CAkey ca.key -set_serial 2 "
             . '-extfile ext -out inter.crt',
         "$req -passout pass:secret -subj /CN=localhost -keyout server.key "
             . '-out server.csr',
         "$x509 -in server.csr -CA inter.crt -CAkey inter.key -set_serial 3 "
             . '-out server.crt',
         "$req -nodes -subj /CN=client -keyout client.key -out client.csr",
         "$x509 -in client.csr -CA ca.crt -CAkey ca.key -set_serial 4 "
             . '-out client.crt',
         'cat server.crt inter.crt > chain.crt',
         'echo secret > password')
    {
        system("cd $d && { $_; } >>openssl.log 2>&1") == 0
            or die "failed: $_\n";
    }
}
