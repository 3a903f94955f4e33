#!/usr/bin/perl

# Filters of subscriptions: their limits, what they match, and what not.

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

my @refused = (
    [ 'a string'              => '"x"', '"filter" must be an object' ],
    [ 'an array'              => '[]', '"filter" must be an object' ],
    [ 'a number'              => '1', '"filter" must be an object' ],
    [ '9 fields'              => fields(9), 'at most 8 fields' ],
    [ '65 values'             => '{"n":' . values_of(65) . '}',
      'at most 64 values' ],
    [ '65 values in two fields' => '{"n":' . values_of(64) . ',"a":1}',
      'at most 64 values' ],
    [ '1025 bytes'            => sized(1025), 'at most 1024 bytes' ],
    [ 'an object as a value'  => '{"n":{}}', 'strings, numbers, booleans' ],
    [ 'an object in a list'   => '{"n":[1,{}]}', 'strings, numbers, booleans' ],
    [ 'a list in a list'      => '{"n":[[1]]}', 'strings, numbers, booleans' ],
    [ 'a field without name'  => '{"":1}', 'names with dots between' ],
    [ 'a dot at the end'      => '{"a.":1}', 'names with dots between' ],
    [ 'two dots'              => '{"a..b":1}', 'names with dots between' ],
    [ 'a control character'   => '{"a\u0001":1}', 'names with dots between' ],
    [ '17 names'              => '{"' . join('.', ('a') x 17) . '":1}',
      'names with dots between' ],
);

# A filter; the fields of an event that passes; of one that does not.

my @cases = (
    [ '{"n":1}', '"n":1', '"n":2' ],
    [ '{"n":1}', '"n":1', '"n":"1"' ],
    [ '{"n":1}', '"n":1', '"n":1.0' ],
    [ '{"n":1}', '"n":1', '"n":10' ],
    [ '{"n":1}', '"n":1', '"m":1' ],
    [ '{"n":null}', '"n":null', '"n":false' ],
    [ '{"n":null}', '"n":null', '"m":1' ],
    [ '{"n":true}', '"n":true', '"n":"true"' ],
    [ '{"n":"a"}', '"n":"a"', '"n":"A"' ],
    [ '{"n":""}', '"n":""', '"n":null' ],
    [ '{"n":"\u0061\u00e9"}', qq("n":"a\xc3\xa9"), '"n":"ae"' ],
    [ qq({"n":"\xc3\xa9\\/"}), '"n":"\u00E9/"', '"n":"e"' ],
    [ '{"n":"\ud83d\ude00"}', qq("n":"\xf0\x9f\x98\x80"), '"n":"?"' ],
    [ '{"\u006e":1}', '"\u006E":1', '"n":2' ],
    [ '{"n":[1,2]}', '"n":2', '"n":3' ],
    [ '{"n":[1,1,1]}', '"n":1', '"n":3' ],
    [ '{"n":1,"m":2}', '"m":2,"n":1', '"n":1' ],
    [ '{"n":[1,2],"m":[3,4]}', '"n":2,"m":3', '"n":3,"m":2' ],
    [ '{"o.a":1}', '"o":{"a":1}', '"o":{"b":1},"a":1' ],
    [ '{"o.a":1}', '"o":{"b":2,"a":1}', '"o.a":1' ],
    [ '{"o.a.b":1,"o.a.c":2}', '"o":{"a":{"b":1,"c":2}}',
      '"o":{"a":{"b":1}},"c":2' ],
    [ '{"n":1}', '"n":[3,1]', '"n":[3,[2]]' ],
    [ '{"n":1}', '"n":[[1]]', '"n":[]' ],
    [ '{"n":1}', '"n":1', '"n":{"n":1}' ],
    [ '{"l.a":1}', '"l":[{"a":2},{"a":1}]', '"l":[{"b":1},1]' ],
    [ '{"l.a":1}', '"l":[[{"a":[2,1]}]]', '"l":{"b":{"a":1}}' ],
    [ '{"type":"e","n":1}', '"n":1', '"n":2' ],
    [ fields(8), join(',', map { "\"f$_\":1" } 1 .. 8),
      join(',', map { "\"f$_\":1" } 1 .. 7) ],
    [ '{"n":' . values_of(64) . '}', '"n":64', '"n":65' ],
    [ sized(1024), '"n":"' . 'x' x 1016 . '"', '"n":"' . 'x' x 1015 . '"' ],
);

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->plan(2 * @refused + @cases + 16);

my $secret = 'a secret of at least 32 bytes, better random';

$t->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
    worker_connections 2048;
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     16m;
        history  events=4000 size=1m;

        channel c { default on; }
        channel d { default on; }
        channel m { default on; }

        event e     { channel c; redact salary person.salary unless_role=hr;
                      redact never; }
        event d     { channel d; }
        event pick  { channel d; fields n o.a; }
        event mark  { channel m; }
    }

    conductor_jwt_key         HS256 "$secret";
    conductor_limit_conn      off;
    conductor_limit_messages  off;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /publish { conductor_publish h; conductor_auth off; }
    }
}

EOF_CONF

$t->run();

my $ws = client($t, 'user');

for my $case (@refused) {
    my ($name, $filter, $error) = @$case;
    my $answer = subscribe($ws, 'c', $filter);

    is($answer->{code}, 'bad_message', "$name is no filter");
    like($answer->{error}, qr/\Q$error\E/, 'and the answer says why');
}

for my $case (@cases) {
    my ($filter, @fields) = @$case;
    my $answer = subscribe($ws, 'c', $filter);

    is($answer->{code} // seen($t, $ws, map { "\"type\":\"e\",$_" } @fields),
        '1', 'it passes ' . substr($filter, 0, 60));
}

# what is hidden is not there

my $hr = client($t, 'hr');

for my $filter ('{"salary":5}', '{"person.salary":5}') {
    my @events = ('"type":"e","salary":5,"person":{"salary":5,"n":1}');

    subscribe($_, 'c', $filter) for $ws, $hr;
    is(seen($t, $ws, @events), '',
        "a hidden field cannot be found out: $filter");
    is(seen($t, $hr, @events), '1', 'who sees it can filter it');
}

subscribe($hr, 'c', '{"never":1}');
is(seen($t, $hr, '"type":"e","never":1'), '',
    'what is redacted from everyone is there for nobody');
subscribe($ws, 'd', '{"o.b":2}');
is(seen($t, $ws, '"type":"pick","n":1,"o":{"a":1,"b":2}'), '',
    'nor is what is not among the fields');
subscribe($ws, 'd', '{"o.a":1}');
is(seen($t, $ws, '"type":"pick","n":1,"o":{"a":1,"b":2}'), '1',
    'what is shown is');

# several channels, other filters, none

my @both = ('"type":"e","n":1', '"type":"d","n":1', '"type":"d","n":2');

subscribe($ws, 'c', '{"n":2}');
subscribe($ws, 'd', '{"n":2}');
is(seen($t, $ws, @both), '3', 'each channel has its own filter');
subscribe($ws, 'd', '{"n":1}');
is(seen($t, $ws, @both), '2', 'a second one takes the place of the first');
subscribe($ws, 'c', '{}');
is(seen($t, $ws, @both), '1 2', '{} lets all pass');
subscribe($ws, 'd', 'null');
is(seen($t, $ws, @both), '1 2 3', 'and so does null');
subscribe($ws, 'd', '{"n":[]}');
is(seen($t, $ws, @both), '1', 'an empty list lets nothing pass');
subscribe($ws, 'c', '[]');
is(seen($t, $ws, @both), '1', 'one that is refused changes nothing');
$ws->command({ type => 'unsubscribe', channel => 'd' });
$ws->command({ type => 'subscribe', channel => 'd' });
is(seen($t, $ws, @both), '1 2 3', 'unsubscribing forgets the filter');

# 500 clients, each with its own

my $many = many_clients($t, 500, token => token('user'));
$many->wait_each(1, 'welcome', 60) or die "no welcome\n";

my $i = 0;
$_->send_text(qq({"type":"subscribe","id":1,"channel":"c","filter":)
              . '{"n":' . $i++ . '}}') for $many->clients();
$many->wait_each(1, 'ack', 60) or die "no ack\n";

publish($t, [ map { { type => 'e', n => $_ } } 0 .. 499 ]);
publish($t, [ map { { type => 'd', n => $_ } } 1 .. 3 ]);
$many->wait_each(3, 'd', 60) or die "no events\n";

is(scalar(grep { my $n = $_; my @e = $many->messages($n, 'e');
                 @e == 1 && $e[0]{n} == $n } 0 .. 499), 500,
    '500 clients get what each of them filters');

# subscribing while events pour in

$ws = client($t, 'user');
$t->run_daemon(\&pour, $t);
$ws->recv_until('d');

for my $n (1 .. 150) {
    subscribe($ws, 'c', $n % 3 ? "{\"n\":$n}" : '{}');
    $ws->command({ type => 'unsubscribe', channel => 'c' }) if $n % 7 == 0;
}

$t->write_file('stop', '');

my @n = map { $_->{n} } grep { $_->{type} eq 'd' } @{$ws->skipped()};

while (my $event = $ws->recv_json()) {
    push @n, $event->{n} if $event->{type} eq 'd';
    last if $event->{type} eq 'd' && $event->{last};
}

is(join(' ', grep { $n[$_] != $n[$_ - 1] + 1 } 1 .. $#n), '',
    'a channel misses and doubles nothing while another is subscribed');


sub token {
    return jwt({ sub => 'ann', role => $_[0] }, key => $secret);
}


sub client {
    my ($nginx, $role) = @_;
    my $client = ws_connect($nginx, '/', token => token($role));

    $client->recv_until('welcome') or die "no welcome\n";
    return $client;
}


sub subscribe {
    my ($client, $channel, $filter) = @_;

    $client->send_frame(1, qq({"type":"subscribe","id":"s","channel":)
                           . qq("$channel","filter":$filter}));
    return $client->recv_until(sub { ($_->{id} // '') eq 's' });
}


# Which of these events, counted from 1, a client gets.
sub seen {
    my ($nginx, $client, @events) = @_;
    my ($status, $answer) = publish($nginx,
        '[' . join(',', map { "{$_}" } @events, '"type":"mark"') . ']');
    return "status $status" if $status != 200;

    my @ids = @{$answer->{eventIds}};
    my $last = pop @ids;
    my %got;

    while (my $event = $client->recv_json()) {
        last if ($event->{eventId} // '') eq $last;
        $got{$event->{eventId} // ''}++;
    }

    return join ' ', grep { $got{$ids[$_ - 1]} } 1 .. @ids;
}


sub fields { '{' . join(',', map { "\"f$_\":1" } 1 .. $_[0]) . '}' }

sub values_of { '[' . join(',', 1 .. $_[0]) . ']' }

# A filter of so many bytes.
sub sized { '{"n":"' . 'x' x ($_[0] - 8) . '"}' }


# Publishes until a file "stop" is there.
sub pour {
    my ($nginx) = @_;
    my $n = 0;

    until (-e $nginx->testdir() . '/stop') {
        publish($nginx, [ { type => 'd', n => ++$n }, { type => 'e', n => 3 },
                          { type => 'd', n => ++$n } ]);
    }

    publish($nginx, { type => 'd', n => ++$n, last => 1 });
}
