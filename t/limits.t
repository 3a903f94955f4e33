#!/usr/bin/perl

# Limits: connections of an address or a key, and the size of a message.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use IO::Socket::IP;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http realip /))->plan(42);

my $v6 = IO::Socket::IP->new(LocalHost => '::1', Listen => 1) ? 1 : 0;
my $listen = $v6 ? 'listen [::1]:%%PORT_8080%%;' : '';

$t->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        history  events=100 size=64k;
        drain    1s;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_hub other {
        zone     4m;
        history  events=100 size=64k;
    }

    server {
        listen 127.0.0.1:8080;
        $listen

        conductor_auth off;

        set_real_ip_from 127.0.0.9;
        real_ip_header   X-Real-IP;

        location /         { conductor h; conductor_limit_conn 3; }
        location /default  { conductor h; }
        location /other    { conductor other; conductor_limit_conn 1; }
        location /off      { conductor h; conductor_limit_conn off; }
        location /key      { conductor h; conductor_limit_conn 2 key=\$arg_x; }

        location /small {
            conductor h;
            conductor_limit_conn off;
            conductor_max_message 1000;
            conductor_compress on;
        }

        location /health { conductor_health h; }
    }
}

EOF_CONF

$t->run();

# an address

my @a = map { ws_connect($t, '/', source => '127.0.0.2') } 1 .. 4;
is(join(' ', map { $_->status() } @a), '101 101 101 429',
    'an address has so many connections and no more');
like($a[3]->header('Retry-After'), qr/^[1-9]\d*\z/,
    'the refusal says when to come back');
is_deeply([ sort keys %{$a[3]->body_json()} ], [ qw/ code error / ],
    'and why, in JSON');
is(connections($t), 3, 'who was refused is not counted');

is(status($t, '/', source => '127.0.0.3'), 101, 'another address has its own');
is(status($t, '/off', source => '127.0.0.2'), 101,
    'where the limit is off there is none');
is(status($t, '/other', source => '127.0.0.2'), 101,
    'another hub counts for itself');
is(status($t, '/default', source => '127.0.0.2'), 101,
    'another location may allow more');

$a[0]->close(1000);
ok(opens($t, \@a, 0), 'who closes makes room');
is(status($t, '/', source => '127.0.0.2'), 429, 'for one');
$a[1]->reset();
ok(opens($t, \@a, 1), 'so does who resets');
$a[2]->drop();
ok(opens($t, \@a, 2), 'and who just goes');
$a[0]->send_frame(1, 'x', mask => 0);
is(($a[0]->expect_close())[0], 1002, 'who breaks the protocol');
ok(opens($t, \@a, 0), 'makes room as well');

is(status($t, '/', source => '127.0.0.2', version => 8), 426,
    'a handshake that fails');
$a[0]->close(1000);
ok(opens($t, \@a, 0), 'takes no place');

my @ten = map { ws_connect($t, '/default', source => '127.0.0.4') } 1 .. 11;
is(join(' ', map { $_->status() } @ten), '101 ' x 10 . '429',
    'by default an address has ten');

# many at once, on all workers

my $many = many_clients($t, 40, per_address => 8);
is(join(' ', map { my $k = $_; scalar grep { ($_->status() // 0) == 101 }
    ($many->clients())[$k * 8 .. $k * 8 + 7] } 0 .. 4), '3 3 3 3 3',
    'all workers together let in as many');

$_->reset() for $many->clients();
ok(wait_for(sub { status($t, '/', source => '127.1.0.1') == 101 }),
    'and all places are given back');

# addresses that others tell

my @real = ([ '203.0.113.1', 101 ], [ '203.0.113.1', 101 ],
    [ '203.0.113.1', 101 ], [ '203.0.113.1', 429 ], [ '203.0.113.2', 101 ],
    [ '2001:db8::1', 101 ], [ '2001:db8::2', 101 ],
    [ '2001:db8::ffff:0:0:1', 101 ], [ '2001:db8:0:0:8000::', 429 ],
    [ '2001:db8:0:1::1', 101 ], [ '::ffff:203.0.113.1', 429 ],
    [ '::ffff:203.0.113.3', 101 ]);
my @by;

for my $case (@real) {
    my ($address, $want) = @$case;
    push @by, ws_connect($t, '/', source => '127.0.0.9',
                         headers => [ "X-Real-IP: $address" ]);
    is($by[-1]->status(), $want, "$address: $want");
}

SKIP: {
    skip 'no IPv6 here', 1 unless $v6;

    my @six = map { ws_connect($t, '/', peer => '::1') } 1 .. 4;
    is(join(' ', map { $_->status() } @six), '101 101 101 429',
        'an IPv6 connection is counted');
}

# a key

my @key = map { ws_connect($t, "/key?x=$_", source => '127.0.0.2') }
    qw/ a a a b b b /;
is(join(' ', map { $_->status() } @key), '101 101 429 101 101 429',
    'connections may be counted by anything');
my @none = map { ws_connect($t, '/key') } 1 .. 4;
is(join(' ', map { $_->status() } @none), '101 101 101 101',
    'what has no key is not counted');
$_->close(1000) for @none, @key[0, 1, 3, 4];
ok(wait_for(sub { status($t, '/key?x=a') == 101 }), 'a key is given back');

# the size of a message

my $small = ws_connect($t, '/small');
$small->recv_until('welcome');
$small->send_data(1, message(1000));
is($small->recv_json()->{id}, 7, 'a message may be as long as allowed');
$small->send_fragmented(1, [ map { substr message(1000), $_ * 100, 100 }
    0 .. 9 ]);
is($small->recv_json()->{id}, 7, 'also in fragments');
$small->send_data(1, message(1001));
is(($small->expect_close())[0], 1009, 'one octet more is too long');

$small = ws_connect($t, '/small');
$small->send_fragmented(1, [ map { substr message(1001), $_ * 100, 100 }
    0 .. 10 ]);
is(($small->expect_close())[0], 1009, 'also in fragments');

$small = ws_connect($t, '/small');
$small->send_frame(1, '', len => 1 << 40);
is(($small->expect_close())[0], 1009,
    'a length is refused before anything of it comes');

$small = ws_connect($t, '/small', extensions => 'permessage-deflate');
$small->send_json({ type => 'ping', id => 'x', s => 'y' x 900 });
is($small->recv_until('pong')->{id}, 'x', 'a compressed one may be as long');
$small->send_json({ type => 'ping', id => 'x', s => 'y' x 1000 });
is(($small->expect_close())[0], 1009, 'when it is inflated');


# The status of a handshake, whose connection then ends.
sub status {
    my ($nginx, $path, %opt) = @_;
    return ws_connect($nginx, $path, %opt)->status() // 0;
}


# Whether client I of a list, of 127.0.0.2, can connect soon.
sub opens {
    my ($nginx, $list, $i) = @_;
    return wait_for(sub {
        $list->[$i] = ws_connect($nginx, '/', source => '127.0.0.2');
        return $list->[$i]->is_open();
    });
}


sub connections {
    my ($nginx) = @_;
    return (health($nginx))[1]{connections};
}


# A ping of so many octets.
sub message {
    my ($n) = @_;
    my $json = '{"type":"ping","id":7}';
    return $json . ' ' x ($n - length $json);
}
