#!/usr/bin/perl

# permessage-deflate, RFC 7692: which offers are taken, and what is answered.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(32);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 32m;
        channel c { default on; }
        event e { channel c; }
    }

    server {
        listen  127.0.0.1:8080;

        conductor_auth            off;
        conductor_limit_conn      off;
        conductor_limit_messages  off;
        conductor_compress        on;
        conductor_protocol        echo;

        location / {
            conductor  h;
        }

        location /off {
            conductor           h;
            conductor_compress  off;
        }
    }
}

EOF_CONF

$t->run();

my $both = 'server_no_context_takeover; client_no_context_takeover';

###############################################################################

# offers

for my $case (
    [ '', '' ],
    [ 'server_no_context_takeover', '' ],
    [ 'client_no_context_takeover', '' ],
    [ 'client_max_window_bits', '' ],
    [ 'client_max_window_bits=10', '; client_max_window_bits=10' ],
    [ 'client_max_window_bits="8"', '; client_max_window_bits=8' ],
    [ 'server_max_window_bits=15', '; server_max_window_bits=15' ],
    [ 'server_max_window_bits = "9"', '; server_max_window_bits=9' ],
    [ 'client_max_window_bits=15;server_no_context_takeover ;'
      . ' server_max_window_bits=8;client_no_context_takeover',
      '; server_max_window_bits=8; client_max_window_bits=15' ],
) {
    my ($offer, $answer) = @$case;

    is(agreed($t, join '; ', 'permessage-deflate', $offer || ()),
        "permessage-deflate; $both$answer", "accepted: '$offer'");
}

for my $wrong (qw/
    server_no_context_takeover=1 client_no_context_takeover=true
    server_max_window_bits server_max_window_bits=7 server_max_window_bits=16
    server_max_window_bits=08 server_max_window_bits=1
    server_max_window_bits=+9 server_max_window_bits=150
    client_max_window_bits=7 client_max_window_bits=16
    client_max_window_bits=010 x-unknown x-unknown=10
    Server_max_window_bits=10
    server_max_window_bits=9;server_max_window_bits=9
    client_max_window_bits;client_max_window_bits
    server_no_context_takeover;server_no_context_takeover
/) {
    is(agreed($t, "permessage-deflate; $wrong"), undef, "declined: $wrong");
}

is(agreed($t, 'x-webkit-deflate-frame, permessage-deflater'), undef,
    'another extension is not taken for it');
is(agreed($t, 'permessage-deflate; server_max_window_bits=7, '
    . 'permessage-deflate; server_max_window_bits=10, permessage-deflate'),
    "permessage-deflate; $both; server_max_window_bits=10",
    'the first right offer is taken');
is(agreed($t, 'x-other', headers => [
    'Sec-WebSocket-Extensions: permessage-deflate; x-unknown',
    'Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=11',
    'Sec-WebSocket-Extensions: permessage-deflate' ]),
    "permessage-deflate; $both; server_max_window_bits=11",
    'over several lines, too');
is(agreed($t, 'permessage-deflate', path => '/off'), undef,
    'none is taken where compression is off');
is(agreed($t, undef), undef, 'nor where none was made');

###############################################################################

# What an offer is answered with.
sub agreed {
    my ($t, $offer, %opt) = @_;
    my $ws = ws_connect($t, $opt{path} // '/', %opt, extensions => $offer);

    return $ws->is_open() ? $ws->header('Sec-WebSocket-Extensions')
                          : 'refused';
}
