#!/usr/bin/perl

# Windows of handshakes: how many pass, by what they are counted, and that
# they cost nobody else anything.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use Time::HiRes qw/ time /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $secret = 'the secret, which is 32 octets or longer';

my $t = need_conductor(Test::Nginx->new()->has(qw/ http realip /))->plan(48);

$t->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    2m;
        history events=100 size=64k;
        channel c { default on; }
        event   e { channel c; }
    }

    conductor_hub other {
        zone    2m;
        history events=100 size=64k;
    }

    conductor_limit_conn       off;
    conductor_limit_handshakes 3 per=60s;

    server {
        listen 127.0.0.1:8080;

        set_real_ip_from 127.0.0.9;
        real_ip_header   X-Forwarded-For;

        conductor_auth off;

        location /       { conductor h; }
        location /five   { conductor h; conductor_limit_handshakes 5 per=60s; }
        location /hour   { conductor h; conductor_limit_handshakes 1 per=1h; }
        location /off    { conductor h; conductor_limit_handshakes off; }
        location /other  { conductor other; }
        location /close  { conductor h; conductor_refuse close; }
        location /one    { conductor h; conductor_limit_conn 1; }

        location /second { conductor h; conductor_limit_handshakes 2 per=1s; }

        location /key {
            conductor h;
            conductor_limit_handshakes 2 per=60s key=\$arg_x;
        }

        location /token {
            conductor         h;
            conductor_jwt_key HS256 "$secret";
            access_log        %%TESTDIR%%/token.log;
        }

        location /health { conductor_health h; }
    }
}

EOF_CONF

$t->run();

# an address

my @a = map { ws_connect($t, '/', source => '127.0.0.2') } 1 .. 5;
is(statuses(@a), '101 101 101 429 429',
    'an address has so many handshakes and no more');
is($a[3]->body_json()->{code}, 'handshake_limit', 'with the reason');
my $retry = $a[3]->header('Retry-After');
ok($retry > 30 && $retry <= 60, 'and the seconds until the window ends');
is((health($t))[1]{connections}, 3, 'who was refused is not counted');

$_->close(1000) for @a[0 .. 2];
is(statuses(from('127.0.0.2')), 429, 'who leaves gets no other');
is(statuses(map { from('127.0.0.3') } 1 .. 4), '101 101 101 429',
    'another address has its own');
is(statuses(from('127.0.0.2', '/off')), 101,
    'where the limit is off there is none');
is(statuses(from('127.0.0.2', '/other')), 101,
    'another hub counts for itself');
is(statuses(map { from('127.0.0.2', '/five') } 1 .. 3), '101 101 429',
    'the number is that of the location, the window that of the hub');
is(statuses(map { from('127.0.0.2', '/hour') } 1 .. 2), '101 429',
    'windows of another length are others');
cmp_ok(from('127.0.0.2', '/hour')->header('Retry-After'), '>', 3000,
    'and have another end');

my @closed = from('127.0.0.2', '/close', origin => 'http://localhost')
    ->expect_close();
is($closed[0], 4429, 'a browser gets a close code');
like($closed[1], qr/^retry=[3-6]\d{4}\z/, 'with the rest of the window');
is(statuses(from('127.0.0.2', '/close')), 429, 'a program does not');

# what counts

is(from('127.0.0.5', '/', version => 8)->status(), 426, 'what is no handshake')
    for 1 .. 3;
is(from('127.0.0.5', '/', origin => 'https://evil.example')->status(), 403,
    'or comes from a foreign page') for 1 .. 3;
is(statuses(map { from('127.0.0.5') } 1 .. 4), '101 101 101 429',
    'does not count');

is(statuses(map { from('127.0.0.6', '/token', token => 'bad') } 1 .. 5),
    '401 401 401 429 429', 'a bad token does, and is not verified any more');
is(statuses(map { from('127.0.0.7', '/token', token => token()) } 1 .. 4),
    '101 101 101 429', 'nor is a good one');

is(statuses(map { from('127.0.0.8', '/one') } 1 .. 4), '101 429 429 429',
    'who is over another limit');
is(from('127.0.0.8', '/one')->body_json()->{code}, 'handshake_limit',
    'uses its window up');

# windows

my $exact = 0;
my $tries = 0;

while ($exact < 2 && $tries++ < 10) {
    my $begin = time();
    my @w = map { from('127.0.0.10', '/second') } 1 .. 3;

    next if time() - $begin > 0.9;

    $exact++ if statuses(@w) eq '101 101 429'
                && $w[2]->header('Retry-After') == 1;
    select undef, undef, undef, 1.05;
}

is($exact, 2, 'after the window as many pass again');

# addresses that others tell

my @real = ([ '2001:db8::1', 101 ], [ '2001:db8::2', 101 ],
    [ '2001:db8::ffff:0:0:1', 101 ], [ '2001:db8:0:0:8000::', 429 ],
    [ '2001:db8:0:1::1', 101 ], [ '::1', 101 ], [ '::2', 101 ],
    [ '::ffff:203.0.113.1', 101 ], [ '203.0.113.1', 101 ],
    [ '203.0.113.1', 101 ], [ '203.0.113.1', 429 ], [ '::3', 101 ],
    [ '::4', 429 ]);

for my $case (@real) {
    my ($address, $want) = @$case;
    is(from('127.0.0.9', '/', headers => [ "X-Forwarded-For: $address" ])
       ->status(), $want, "$address: $want");
}

# all workers at once

my $many = many_clients($t, 80, per_address => 8);
my @in = map {
    my $k = $_;
    scalar grep { ($_->status() // 0) == 101 }
        ($many->clients())[$k * 8 .. $k * 8 + 7];
} 0 .. 9;
is("@in", join(' ', (3) x 10), 'all workers together let in as many');
$_->reset() for $many->clients();

# keys, and more of them than there are windows

is(statuses(map { from("127.0.1.$_", '/key?x=a') } 1 .. 3), '101 101 429',
    'handshakes may be counted by anything');
is(statuses(map { from('127.0.1.1', '/key') } 1 .. 5), '101 ' x 4 . '101',
    'what has no key is not counted');

my $n = 2 * 1024 * 1024 / 64 / 52;
my $k = 0;
my $forged = 0;

while ($k < $n + 100) {
    my @lot = map { $k++; ws_connect($t, "/key?x=forged$k", version => 13,
                                     wait => 0) } 1 .. 50;
    $_->handshake() for @lot;
    $forged += grep { $_->is_open() } @lot;
    $_->reset() for @lot;
}

is($forged, $k, 'more keys than there are windows all get one');
ok($t->find_in_file('error.log',
       qr/\[warn\].*windows of handshakes are in use.*hub: "h"/),
    'which the log says');
is(statuses(map { from('127.0.1.1', "/key?x=forged$k") } 1 .. 2), '101 429',
    'the latest are exact');
is(statuses(from('127.0.1.1', '/key?x=a')), 101, 'the oldest was given up');
is(statuses(map { from('127.0.0.20', '/one') } 1 .. 2), '101 429',
    'counts of connections are not concerned');
ok(wait_for(sub { (health($t))[1]{status} eq 'ok' }), 'nor is the hub');


sub from {
    my ($source, $path, %opt) = @_;
    return ws_connect(port(8080), $path // '/', source => $source, %opt);
}


sub token {
    return jwt({ sub => 'ann' }, key => $secret);
}


sub statuses {
    return join ' ', map { $_->status() // 0 } @_;
}
