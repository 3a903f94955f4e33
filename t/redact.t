#!/usr/bin/perl

# What is redacted from everyone is nowhere: not sent, and not in the zone.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use JSON::PP;

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(21);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    client_body_buffer_size  8k;
    client_max_body_size     8m;

    conductor_hub h {
        zone     16m;
        history  events=1000 size=4m;

        channel c { default on; }

        event e {
            channel  c;
            require  secret;
            redact   secret reviewer.email list.secret deep.a.b.c größe;
            redact   "a \"b\"";
        }

        event shown {
            fields   a n.b;
            redact   n.b.secret;
        }

        event end { }
    }

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; }
    }
}

EOF_CONF

$t->run();

my $ws = ws_connect($t, '/');
$ws->recv_until('welcome');

# each a value that is to be gone, and a value beside it that is to be kept

my $n = 0;

is_deeply(sent({ secret => gone(), kept => 1 }), { kept => 1 },
    'a field is taken out');
is_deeply(sent({ secret => { a => [ gone(), { b => gone() } ] }, kept => 1 }),
    { kept => 1 }, 'with all that is in it');
is_deeply(sent({ secret => 1, reviewer => { email => gone(), n => 'x' } }),
    { reviewer => { n => 'x' } }, 'a part of an object is');
is_deeply(sent({ secret => 1, reviewer => { email => gone() } }),
    { reviewer => {} }, 'an object of which nothing is left is empty');
is_deeply(sent({ secret => 1, reviewer => 'x' }), { reviewer => 'x' },
    'what is no object has no parts');
is_deeply(sent({ secret => 1, list => [ { secret => gone(), a => 1 }, 2,
                                        [ { secret => gone() } ],
                                        { b => 3, secret => [ gone() ] } ] }),
    { list => [ { a => 1 }, 2, [ {} ], { b => 3 } ] },
    'arrays are gone through, at any depth, and keep their length');
is_deeply(sent({ secret => 1,
                 deep => { a => [ { b => { c => gone(), d => 1 } } ],
                           b => { c => 2 } } }),
    { deep => { a => [ { b => { d => 1 } } ], b => { c => 2 } } },
    'a path goes as deep as it has names, and nowhere else');
is_deeply(sent({ secret => 1, other => { secret => 1 } }),
    { other => { secret => 1 } },
    'the name of a field is not that of a part of another');
is_deeply(sent({ secret => 1, 'reviewer.email' => 1 }),
    { 'reviewer.email' => 1 }, 'nor is a name with a dot in it a path');
is_deeply(sent({ secret => 1, 'a "b"' => gone(), "gr\xf6\xdfe" => gone() }),
    {}, 'names may have quotes and other letters');

# the same names in escapes

my $escaped = sprintf '{"type":"e","\u0073ecret":"%s","reviewer":'
    . '{"\u0065mail":"%s","emai\u006C":"%s"},"gr\u00f6\u00DFe":"%s",'
    . '"\u0061 \u0022b\"":"%s","l\u0069st":[{"s\u0065cret":"%s"}],"k":1}',
    map { gone() } 1 .. 6;

is((publish($t, $escaped))[0], 400, 'a name twice is refused, in escapes too');

$escaped =~ s/,"emai.*?\}/}/;
is_deeply(sent($escaped), { reviewer => {}, list => [ {} ], k => 1 },
    'a name in escapes is the same name');

# fields

is_deeply(sent({ type => 'shown', a => { x => 1 }, other => gone(),
                 n => { b => { secret => gone(), c => 1 }, d => gone() } }),
    { a => { x => 1 }, n => { b => { c => 1 } } },
    'of what is shown the rest is taken out as well');
is_deeply(sent({ type => 'shown', n => [ gone(), { b => 2, c => gone() } ] }),
    { n => [ { b => 2 } ] },
    'and of an array what has no part that is shown');

# large ones, and many

my $pad = 'p' x 20000;

is_deeply(sent({ secret => gone() x 3000, kept => $pad }), { kept => $pad },
    'so it is in a body larger than its buffer');
is_deeply(sent({ secret => [ map { { a => gone() } } 1 .. 5000 ] }), {},
    'or of many values');

publish($t, [ map { { type => 'e', secret => gone(), n => $_,
                      reviewer => [ { email => gone() } ] } } 1 .. 200 ]);
publish($t, { type => 'end' });

my @got;

while (my $event = $ws->recv_json()) {
    last if $event->{type} eq 'end';
    push @got, $event;
}

is(join(' ', map { $_->{n} } @got), join(' ', 1 .. 200),
    'or of many events');
is(scalar(grep { $_->{secret} || %{$_->{reviewer}[0]} } @got), 0,
    'all without it');

# what is refused, and what is missing

my ($status, $answer) = publish($t,
    [ { type => 'e', secret => gone() },
      { type => 'e', n => gone() } ]);
is_deeply([ $status, $answer->{index}, $answer->{field} ],
    [ 422, 1, 'secret' ], 'what is required may be redacted');

# the zone

my $zone = shared_memory($t);
cmp_ok(index($zone, $pad), '>', 0, 'the zone has what is kept');
is(join(' ', $zone =~ /GONE-\d+/g), '',
    'and nothing that is redacted from everyone');


sub gone { return sprintf 'GONE-%d-', $n++ }


# An event as it is sent, without what all have.
sub sent {
    my ($event) = @_;

    $event->{type} //= 'e' if ref $event;

    my ($code) = publish($t, $event);
    return "status $code" if $code != 200;

    my $got = $ws->recv_json() or return 'nothing';

    delete @$got{qw/ type timestamp eventId /};
    return $got;
}
