#!/usr/bin/perl

# What sets of roles see of events: classes, each the same for all its clients.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::JWT;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl /))
    ->has_daemon('openssl')->plan(33);

my $secret = 'a secret of at least 32 bytes, better random';
my $hidden = join "\n", map { "redact f$_ unless_role=r$_;" } 1 .. 31;

$t->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     8m;
        history  events=1000 size=256k;

        channel open   { default on; }
        channel staff  { default on; roles r1 r2; }
        channel end    { default on; }

        event many    { channel open; $hidden }
        event staff   { channel staff; }
        event second  { channel staff; roles r2 r3; }
        event last    { channel open; roles r32; }
        event both    { channel open; fields a b.c d; redact b.c a.x;
                        redact d unless_role=r1; }
        event part    { channel open; redact o.a unless_role=r1;
                        redact o unless_role=r1,r2; redact o.b; }
        event escape  { channel open; redact email "q\\"s" unless_role=r1; }
        event end     { channel end; }
    }

    conductor_jwt_key     HS256 "$secret";
    conductor_limit_conn  off;

    ssl_certificate       %%TESTDIR%%/cert.pem;
    ssl_certificate_key   %%TESTDIR%%/key.pem;

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8443 ssl;

        location /        { conductor h; }
        location /one/    { conductor h; conductor_compress 1; }
        location /nine/   { conductor h; conductor_compress 9; }
        location /publish { conductor_publish h; conductor_auth off; }
    }
}

EOF_CONF

certificate($t);
$t->run();

# channels and events

my @events = map { { type => $_ } } qw/ staff second last /;

is(types(client('r1'), @events), 'staff', 'a role of the channel is needed');
is(types(client('r2'), @events), 'staff second', 'one may be of the event too');
is(types(client('r3'), @events), '', 'one of the event alone is not enough');
is(types(client('r1', 'r3'), @events), 'staff second',
    'two roles see what needs both');
is(types(client('r32'), @events), 'last', 'the 32nd role is one as well');
is(types(client('r33'), @events), '', 'one that the hub does not name is none');
is(types(client(), @events), '', 'nor is none at all');
is(types(client(map { "r$_" } 1 .. 32), @events), 'staff second last',
    'whoever has all sees all');
is(types(client('R1', 'r', 'r11'), @events), '', 'a role is its whole name');

# 31 sets of roles in one event

my $many = { type => 'many', map { ("f$_" => $_) } 0 .. 31 };

is(fields(client(), $many), 'f0', 'without a role all that is hidden is');
is(fields(client("r$_"), $many), "f0 f$_", "role r$_ sees its field")
    for (1, 2, 16, 31);
is(fields(client(map { "r$_" } 3, 20, 31), $many), 'f0 f20 f3 f31',
    'several roles see all of theirs');
is(fields(client(map { "r$_" } 1 .. 31), $many),
    join(' ', sort map { "f$_" } 0 .. 31), 'and all see all');

# fields and redact

my $both = { type => 'both', a => { x => 1, y => 2 }, d => 1, e => 1,
             b => { c => 1, d => 1 } };

is_deeply(only(client('r1'), $both), { a => { y => 2 }, b => {}, d => 1 },
    'what is redacted is hidden, whatever is shown');
is_deeply(only(client('r2'), $both), { a => { y => 2 }, b => {} },
    'for a role too');

my $part = { type => 'part', o => { a => 1, b => 2, c => 3 }, x => 1 };

is_deeply(only(client('r1'), $part), { o => { a => 1, c => 3 }, x => 1 },
    'of rules for a field and its parts each hides its own');
is_deeply(only(client('r2'), $part), { o => { c => 3 }, x => 1 },
    'who is free of one may be bound by another');
is_deeply(only(client('r3'), $part), { x => 1 }, 'or by all');

my $escape = '{"type":"escape","\u0065mail":1,"q\u0022s":2,"e\u006dai":3}';

is(fields(client(), $escape), 'emai', 'names in escapes are the same names');
is(fields(client('r1'), $escape), 'emai email q"s', 'for who sees them too');

# other roles while connected

my $ws = client('r1');

is(types($ws, @events), 'staff', 'a client has a role');
$ws->command({ type => 'auth', token => token('r1', 'r2') });
is(types($ws, @events), 'staff second', 'with one more it sees more');
$ws->command({ type => 'auth', token => token('r32') });
is(types($ws, @events), 'last', 'with another something else');
$ws->command({ type => 'auth', token => token() });
is(types($ws, @events), '', 'with none less');
is($ws->command({ type => 'auth', token => token('r2'),
                  id => 'a' })->{type}, 'ack', 'and more again');
is(types($ws, @events), 'staff second', 'with the next event');

# a batch for several classes, in every form

my @ways = ([ '/' ], [ '/one/', 1 ], [ '/nine/', 1 ], [ '/', 0, 1 ],
            [ '/one/', 1, 1 ], [ '/nine/', 1, 1 ]);
my @roles = ([], [ 'r1' ], [ 'r2' ], [ 'r1', 'r31' ]);
my @clients = map { my $way = $_; map { connected($way, @$_) } @roles } @ways;

my $pad = 'long enough to be compressed ' x 10;
my @batch = map { my $n = $_; map { { %$_, n => $n, pad => $pad } }
                  $many, $both, $part, { type => 'staff' } } 1 .. 15;

my ($status, $answer) = publish($t, [ @batch, { type => 'end' } ]);
my @texts = map { texts($_, $answer->{eventIds}[-1]) } @clients;

my %differs = map { $_ => 1 } grep { $texts[$_] ne $texts[$_ % @roles] }
              0 .. $#texts;
my %distinct = map { $_ => 1 } @texts;

is(join(' ', sort keys %differs), '',
    'a class is the same bytes in the same order for all its clients');
is(scalar(keys %distinct), scalar(@roles), 'and another for each class');
is(join(' ', map { scalar(() = /^\{/mg) } @texts[0 .. 3]), '46 61 61 61',
    'with all events that it sees');
is_deeply([ map { $_->faults() } @clients ], [], 'no client finds a fault');


sub token {
    return jwt({ sub => 'ann', role => [ @_ ] }, key => $secret);
}


sub client { return connected([ '/' ], @_) }


# A client with these roles by a way: path, compressed, TLS.
sub connected {
    my ($way, @have) = @_;
    my ($path, $compressed, $tls) = @$way;

    my $client = ws_connect($t, $path, token => token(@have),
        $compressed ? (extensions => 'permessage-deflate') : (),
        $tls ? (ssl => 1) : ());

    $client->recv_until('welcome') or die "no welcome\n";
    return $client;
}


# What a client gets of some events.
sub seen {
    my ($client, @some) = @_;
    my @seen;

    my ($code, $said) = publish($t, @some == 1 && !ref $some[0]
        ? "[$some[0],{\"type\":\"end\"}]" : [ @some, { type => 'end' } ]);
    die "status $code\n" if $code != 200;

    while (my $event = $client->recv_json()) {
        return @seen if ($event->{eventId} // '') eq $said->{eventIds}[-1];
        push @seen, $event if $event->{eventId} && $event->{type} ne 'end';
    }

    die "no end\n";
}


sub types { return join ' ', map { $_->{type} } seen(@_) }


sub only {
    my ($event) = seen(@_);

    delete @$event{qw/ type timestamp eventId /};
    return $event;
}


sub fields { return join ' ', sort keys %{only(@_)} }


# The octets of all messages up to the one with an id, a line each.
sub texts {
    my ($client, $last) = @_;
    my $text = '';

    while (defined(my $data = $client->recv_data())) {
        $text .= "$data\n";
        last if $data =~ /\Q$last\E/;
    }

    return $text;
}


sub certificate {
    my ($nginx) = @_;
    my $d = $nginx->testdir();

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
           . " -nodes -subj /CN=localhost -days 2 -keyout $d/key.pem"
           . " -out $d/cert.pem >/dev/null 2>&1") == 0
        or die "openssl failed\n";
}
