#!/usr/bin/perl

# How many connections a user may have, alone and beside other limits.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $secret = 'the secret, which is 32 octets or longer';

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl /))
    ->has_daemon('openssl')->plan(32);

$t->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    4m;
        history events=100 size=64k;
        channel c { default on; }
        event   e { channel c; }
    }

    conductor_hub other {
        zone    4m;
        history events=100 size=64k;
    }

    ssl_certificate     cert.pem;
    ssl_certificate_key key.pem;

    conductor_jwt_key    HS256 "$secret";
    conductor_limit_conn off;
    conductor_limit_user 3;

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8443 ssl;

        location /        { conductor h; }
        location /one     { conductor h; conductor_limit_user 1; }
        location /off     { conductor h; conductor_limit_user off; }
        location /other   { conductor other; }
        location /close   { conductor h; conductor_refuse close; }
        location /both    { conductor h; conductor_limit_conn 2; }
        location /key     { conductor h; conductor_limit_conn 2 key=\$arg_x; }

        location /nobody {
            conductor            h;
            conductor_auth       off;
            conductor_limit_user 1;
        }

        location /name {
            conductor            h;
            conductor_identity   user=\$arg_name;
            conductor_limit_user 3;
        }

        location /health { conductor_health h; }
    }
}

EOF_CONF

certificate($t);
$t->run();

# a user

my @ann = map { as($t, 'ann') } 1 .. 4;
is(statuses(@ann), '101 101 101 429',
    'a user has so many connections and no more');
is($ann[3]->body_json()->{code}, 'user_limit', 'with the reason');
is($ann[3]->header('Retry-After'), 5, 'and when to come back');
is((health($t))[1]{connections}, 3, 'who was refused is not counted');
is(statuses(as($t, 'ann', source => '127.0.0.9')), 429,
    'from wherever it comes');
is(statuses(map { as($t, 'bob') } 1 .. 4), '101 101 101 429',
    'another user has its own');
is(statuses(as($t, 'bob', path => '/off')), 101,
    'where the limit is off there is none');
is(statuses(as($t, 'ann', path => '/other')), 101,
    'another hub counts for itself');
is(statuses(as($t, 'cat'), as($t, 'cat', path => '/one')), '101 429',
    'the number is that of the location, the count that of the hub');
is(statuses(map { as($t, 'tls', ssl => 1) } 1 .. 3)
    . ' ' . statuses(as($t, 'tls')), '101 101 101 429',
    'connections over TLS count with the others');

is(statuses(map { ws_connect($t, '/nobody') } 1 .. 3), '101 101 101',
    'nobody is not counted');
is(statuses(map { ws_connect($t, '/name?name=ann') } 1), 429,
    'a user is the same however it is known');
is(statuses(map { ws_connect($t, '/name?name=Ann') } 1 .. 4),
    '101 101 101 429', 'but for its very name');

my @closed = as($t, 'ann', path => '/close', origin => 'http://localhost')
    ->expect_close();
is($closed[0], 4429, 'a browser gets a close code');
is($closed[1], 'retry=5000', 'with the time to come back after');

# what makes room

$ann[0]->close(1000);
ok(wait_for(sub { ($ann[0] = as($t, 'ann'))->is_open() }),
    'who closes makes room');
is(statuses(as($t, 'ann')), 429, 'for one');
$ann[1]->reset();
ok(wait_for(sub { ($ann[1] = as($t, 'ann'))->is_open() }), 'so does a reset');
$ann[2]->send_frame(1, 'x', mask => 0);
$ann[2]->expect_close();
ok(wait_for(sub { ($ann[2] = as($t, 'ann'))->is_open() }),
    'and who breaks the protocol');

$ann[0]->recv_until('welcome');
is($ann[0]->command({ type => 'auth', token => token('ann'), id => 1 })
    ->{type}, 'ack', 'a renewed token');
is(statuses(as($t, 'ann')), 429, 'is the same connection');
$ann[0]->reset();
ok(wait_for(sub { ($ann[0] = as($t, 'ann'))->is_open() }),
    'and gives back as one');
is(statuses(as($t, 'ann')), 429, 'not more');

# beside other limits

my @from = (source => '127.0.0.20', path => '/both');

is(statuses(as($t, 'dan', path => '/off')) . ' '
    . statuses(map { as($t, 'ann', @from) } 1 .. 5), '101 429 429 429 429 429',
    'who has too many as a user');
my @new = map { as($t, "new$_", @from) } 1 .. 3;
is(statuses(@new), '101 101 429',
    'takes nothing of its address');
is(as($t, 'new4', @from)->body_json()->{code}, 'address_limit',
    'and who has too many of an address');
is(statuses(map { as($t, 'new4') } 1 .. 4), '101 101 101 429',
    'nothing of its user');

is(statuses(map { as($t, 'eve', path => "/key?x=$_") } 1 .. 4),
    '101 101 101 429', 'keys of others do not help a user');
is(statuses(as($t, 'fay', path => '/key?x=4'), as($t, 'fay',
    path => '/key?x=4'), as($t, 'gil', path => '/key?x=4')), '101 101 429',
    'nor does who was refused count for a key');

# many users on all workers at once

my $many = many_clients($t, 60, token => sub { token('u' . int($_[0] / 6)) });
my @in = map {
    my $u = $_;
    scalar grep { ($_->status() // 0) == 101 }
        ($many->clients())[$u * 6 .. $u * 6 + 5];
} 0 .. 9;
is("@in", join(' ', (3) x 10), 'all workers together let in as many');

$_->reset() for $many->clients();
ok(wait_for(sub { 3 == grep { $_->is_open() } map { as($t, 'u5') } 1 .. 3 }),
    'and give all of it back');

is_deeply([ map { $_->faults() } @ann ], [], 'no fault of the server is seen');


# A client with a token of a user.
sub as {
    my ($nginx, $user, %opt) = @_;
    my $path = delete $opt{path} // '/';
    return ws_connect($nginx, $path, token => token($user), %opt);
}


sub token {
    my ($user) = @_;
    return jwt({ sub => $user }, key => $secret);
}


sub certificate {
    my ($nginx) = @_;
    my $d = $nginx->testdir();

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
           . " -nodes -subj /CN=localhost -days 2 -keyout $d/key.pem"
           . " -out $d/cert.pem >/dev/null 2>&1") == 0
        or die "openssl failed\n";
}


sub statuses {
    return join ' ', map { $_->status() // 0 } @_;
}
