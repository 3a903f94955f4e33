#!/usr/bin/perl

# nginx -t refuses every wrong value with directive, value and reason.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

# What is wrong, in a hub, in "http", or in a location: the value with its
# directive, and what nginx says of it.

my $number = qr/must be a number from 1 to /;
my $time = qr/time above 0/;
my $name = qr/1 to 64 letters, digits or/;

my @hub = (
    [ 'zone 1m', 'zone', '1m', qr/at least 2m/ ],
    [ 'zone x', 'zone', 'x', qr/number with k or m/ ],
    [ 'zone -1', 'zone', '-1', qr/number with k or m/ ],
    [ 'zone 99999999999999999999', 'zone', '99999999999999999999',
      qr/number with k or m/ ],
    [ 'zone 4m; zone 4m', 'zone', undef, qr/is duplicate/ ],
    [ 'zone', 'zone', undef, qr/invalid number of arguments/ ],
    [ 'name a/b', 'name', 'a/b', $name ],
    [ 'name ""', 'name', '', $name ],
    [ 'name a; name b', 'name', undef, qr/is duplicate/ ],
    [ 'history events=15', 'history', 'events=15', qr/16 to 10000000/ ],
    [ 'history events=10000001', 'history', 'events=10000001',
      qr/16 to 10000000/ ],
    [ 'history events=', 'history', 'events=', qr/16 to 10000000/ ],
    [ 'history size=63k', 'history', 'size=63k', qr/at least 64k/ ],
    [ 'history size=x', 'history', 'size=x', qr/at least 64k/ ],
    [ 'history age=0', 'history', 'age=0', $time ],
    [ 'history age=1x', 'history', 'age=1x', $time ],
    [ 'history many=1', 'history', 'many=1', qr/expected "events="/ ],
    [ 'history events=16 events=17', 'history', 'events=17',
      qr/given twice/ ],
    [ 'history size=1m size=1m', 'history', 'size=1m', qr/given twice/ ],
    [ 'history age=1h age=1h', 'history', 'age=1h', qr/given twice/ ],
    [ 'history age=1h; history age=1h', 'history', undef, qr/is duplicate/ ],
    [ 'drain x', 'drain', 'x', qr/is a time/ ],
    [ 'drain -1', 'drain', '-1', qr/is a time/ ],
    [ 'drain 2y', 'drain', '2y', qr/at most a year/ ],
    [ 'drain 1s; drain 1s', 'drain', undef, qr/is duplicate/ ],
    [ 'channel a,b { }', 'channel', 'a,b', $name ],
    [ 'channel ' . ('x' x 65) . ' { }', 'channel', 'x' x 65, $name ],
    [ 'channel a { } channel a { }', 'channel', 'a', qr/already defined/ ],
    [ 'channel a', 'channel', undef, qr/has no opening "\{"/ ],
    [ 'channel a { default yes; }', 'default', 'yes', qr/"on" or "off"/ ],
    [ 'channel a { default on; default on; }', 'default', undef,
      qr/is duplicate/ ],
    [ 'channel a { require x; }', 'require', undef, qr/not allowed here/ ],
    [ 'event a/b { }', 'event', 'a/b', $name ],
    [ 'event e { }', 'event', 'e', qr/already defined/ ],
    [ 'event f { channel none; }', 'channel', 'none',
      qr/hub "h" does not have/ ],
    [ 'event f { channel "a b"; }', 'channel', 'a b', $name ],
    [ 'event f { channel c; channel c; }', 'channel', undef,
      qr/is duplicate/ ],
    [ 'event f { require ""; }', 'require', '', qr/1 to 255 characters/ ],
    [ 'event f { default on; }', 'default', undef, qr/not allowed here/ ],
    [ 'event f { unknown 1; }', 'unknown', undef, qr/unknown directive/ ],
    [ 'default on', 'default', undef, qr/not allowed here/ ],
    [ 'require x', 'require', undef, qr/not allowed here/ ],
    [ 'listen 80', 'listen', undef, qr/not allowed here/ ],
    [ 'unknown 1', 'unknown', undef, qr/unknown directive/ ],
);

my @http = (
    [ 'conductor_hub h { }', 'conductor_hub', 'h', qr/already defined/ ],
    [ 'conductor_hub "a b" { }', 'conductor_hub', 'a b', $name ],
    [ 'conductor_hub "" { }', 'conductor_hub', '', $name ],
    [ 'conductor_hub g', 'conductor_hub', undef, qr/has no opening "\{"/ ],
    [ 'conductor_hub { }', 'conductor_hub', undef,
      qr/invalid number of arguments/ ],
    [ 'conductor h', 'conductor', undef, qr/not allowed here/ ],
    [ 'conductor_publish h', 'conductor_publish', undef,
      qr/not allowed here/ ],
    [ 'conductor_health h', 'conductor_health', undef, qr/not allowed here/ ],
);

my @location = (
    [ 'conductor_hub g { }', 'conductor_hub', undef, qr/not allowed here/ ],
    [ 'conductor h; conductor h', 'conductor', undef, qr/is duplicate/ ],
    [ 'conductor h maybe', 'conductor', 'maybe', qr/only be "optional"/ ],
    [ 'conductor ""', 'conductor', '', qr/a hub has a name/ ],
    [ 'conductor none; conductor_auth off', 'conductor_hub', 'none',
      qr/is not defined/ ],
    [ 'if ($arg_x) { conductor h; }', 'conductor', undef,
      qr/not allowed here/ ],
    [ 'limit_except GET { conductor h; }', 'conductor', undef,
      qr/not allowed here/ ],
    [ 'conductor_publish none', 'conductor_hub', 'none', qr/is not defined/ ],
    [ 'conductor_publish h x', 'conductor_publish', undef,
      qr/invalid number of arguments/ ],
    [ 'conductor_publish h; conductor_health h', 'conductor_health', undef,
      qr/another endpoint already/ ],
    [ 'conductor_health none', 'conductor_hub', 'none', qr/is not defined/ ],
    [ 'conductor_health h; conductor h', 'conductor', undef,
      qr/another endpoint already/ ],

    [ 'conductor_protocol socket', 'conductor_protocol', 'socket',
      qr/must be "native" or "echo"/ ],
    [ 'conductor_protocol nativ', 'conductor_protocol', 'nativ',
      qr/must be "native"/ ],
    [ 'conductor_refuse none', 'conductor_refuse', 'none',
      qr/must be "http" or "close"/ ],

    [ 'conductor_origins https://a.example/path', 'conductor_origins',
      'https://a.example/path', qr/\w/ ],
    [ 'conductor_origins ""', 'conductor_origins', '', qr/\w/ ],

    [ 'conductor_limit_conn 0', 'conductor_limit_conn', '0', $number ],
    [ 'conductor_limit_conn ten', 'conductor_limit_conn', 'ten', $number ],
    [ 'conductor_limit_conn 1000001', 'conductor_limit_conn', '1000001',
      $number ],
    [ 'conductor_limit_conn 1 key=', 'conductor_limit_conn', 'key=',
      qr/"key=\$variable"/ ],
    [ 'conductor_limit_conn 1 $arg_x', 'conductor_limit_conn', '$arg_x',
      qr/"key=\$variable"/ ],
    [ 'conductor_limit_conn off key=$arg_x', 'conductor_limit_conn',
      'key=$arg_x', qr/nothing follows "off"/ ],

    [ 'conductor_limit_conn 1 key=$arg_x key=$arg_y', 'conductor_limit_conn',
      undef, qr/invalid number of arguments/ ],

    [ 'conductor_limit_user 0', 'conductor_limit_user', '0', $number ],
    [ 'conductor_limit_user -1', 'conductor_limit_user', '-1', $number ],
    [ 'conductor_limit_user on', 'conductor_limit_user', 'on', $number ],
    [ 'conductor_limit_user 1000001', 'conductor_limit_user', '1000001',
      $number ],
    [ 'conductor_limit_user 1 key=$arg_x', 'conductor_limit_user', undef,
      qr/invalid number of arguments/ ],

    [ 'conductor_limit_handshakes 1', 'conductor_limit_handshakes', '1',
      qr/needs "per=TIME"/ ],
    [ 'conductor_limit_handshakes 1 key=$arg_x',
      'conductor_limit_handshakes', '1', qr/needs "per=TIME"/ ],
    [ 'conductor_limit_handshakes 0 per=1s', 'conductor_limit_handshakes',
      '0', $number ],
    [ 'conductor_limit_handshakes 1 per=0', 'conductor_limit_handshakes',
      'per=0', $time ],
    [ 'conductor_limit_handshakes 1 per=1x', 'conductor_limit_handshakes',
      'per=1x', $time ],
    [ 'conductor_limit_handshakes 1 per=50d', 'conductor_limit_handshakes',
      'per=50d', qr/at most 49d/ ],
    [ 'conductor_limit_handshakes 1 per=1s per=2s',
      'conductor_limit_handshakes', 'per=2s', qr/given twice/ ],
    [ 'conductor_limit_handshakes 1 per=1s key=',
      'conductor_limit_handshakes', 'key=', qr/"key=\$variable"/ ],
    [ 'conductor_limit_handshakes 1 key=$arg_x key=$arg_y',
      'conductor_limit_handshakes', 'key=$arg_y', qr/given twice/ ],
    [ 'conductor_limit_handshakes 1 1s', 'conductor_limit_handshakes', '1s',
      qr/expected "per="/ ],
    [ 'conductor_limit_handshakes off per=1s', 'conductor_limit_handshakes',
      'per=1s', qr/nothing follows "off"/ ],

    [ 'conductor_limit_dry_run 1', 'conductor_limit_dry_run', '1',
      qr/"on" or "off"/ ],

    [ 'conductor_limit_messages 1 per=1s per=2s', 'conductor_limit_messages',
      'per=2s', qr/given twice/ ],
    [ 'conductor_limit_messages 1 per=1s bytes=1k bytes=2k',
      'conductor_limit_messages', 'bytes=2k', qr/given twice/ ],
    [ 'conductor_limit_messages 1 per=1s close_after=1 close_after=2',
      'conductor_limit_messages', 'close_after=2', qr/given twice/ ],
    [ 'conductor_limit_messages 1', 'conductor_limit_messages', '1',
      qr/needs "per=TIME"/ ],
    [ 'conductor_limit_messages 0 per=1s', 'conductor_limit_messages', '0',
      $number ],
    [ 'conductor_limit_messages 1 per=0', 'conductor_limit_messages', 'per=0',
      $time ],
    [ 'conductor_limit_messages 1 per=2y', 'conductor_limit_messages',
      'per=2y', qr/time/ ],
    [ 'conductor_limit_messages 1 per=1s bytes=0', 'conductor_limit_messages',
      'bytes=0', qr/size above 0/ ],
    [ 'conductor_limit_messages 1 per=1s bytes=-1',
      'conductor_limit_messages', 'bytes=-1', qr/size above 0/ ],
    [ 'conductor_limit_messages 1 per=1s close_after=0',
      'conductor_limit_messages', '0', $number ],
    [ 'conductor_limit_messages 1 per=1s x', 'conductor_limit_messages', 'x',
      qr/expected "per="/ ],
    [ 'conductor_limit_messages off per=1s', 'conductor_limit_messages',
      'per=1s', qr/nothing follows "off"/ ],

    [ 'conductor_max_message 127', 'conductor_max_message', '127',
      qr/from 128 to 1g/ ],
    [ 'conductor_max_message 1025m', 'conductor_max_message', '1025m',
      qr/from 128 to 1g/ ],
    [ 'conductor_max_message x', 'conductor_max_message', 'x',
      qr/from 128 to 1g/ ],
    [ 'conductor_max_queue 0', 'conductor_max_queue', '0',
      qr/from 128 to 1g/ ],
    [ 'conductor_max_queue 2g', 'conductor_max_queue', '2g',
      qr/from 128 to 1g/ ],

    [ 'conductor_ping 0', 'conductor_ping', '0', $time ],
    [ 'conductor_ping x', 'conductor_ping', 'x', $time ],
    [ 'conductor_ping 1s timeout=0', 'conductor_ping', 'timeout=0', $time ],
    [ 'conductor_ping 1s 2s', 'conductor_ping', '2s', qr/"timeout="/ ],
    [ 'conductor_ping off timeout=1s', 'conductor_ping', 'timeout=1s',
      qr/nothing follows "off"/ ],
    [ 'conductor_idle_timeout 0', 'conductor_idle_timeout', '0', $time ],
    [ 'conductor_idle_timeout 1x', 'conductor_idle_timeout', '1x', $time ],
    [ 'conductor_idle_timeout 1s all', 'conductor_idle_timeout', 'all',
      qr/only be "data"/ ],
    [ 'conductor_idle_timeout off data', 'conductor_idle_timeout', 'data',
      qr/nothing follows "off"/ ],
    [ 'conductor_compress 0', 'conductor_compress', '0', qr/from 1 to 9/ ],
    [ 'conductor_compress 10', 'conductor_compress', '10', qr/from 1 to 9/ ],
    [ 'conductor_compress ""', 'conductor_compress', '', qr/from 1 to 9/ ],
);

# Those that a level may have only once.

my %once = (
    conductor_protocol => 'echo', conductor_refuse => 'close',
    conductor_limit_conn => '1', conductor_limit_messages => 'off',
    conductor_limit_user => '1', conductor_limit_handshakes => 'off',
    conductor_limit_dry_run => 'on',
    conductor_max_message => '1k', conductor_max_queue => '1k',
    conductor_ping => 'off', conductor_idle_timeout => 'off',
    conductor_compress => 'on',
);

my @good = (
    'conductor h; conductor_limit_conn 1000000 key=$arg_a$arg_b',
    'conductor h; conductor_limit_user 1000000; conductor_limit_dry_run on',
    'conductor h; conductor_limit_handshakes 100000000 per=49d key=$arg_a',
    'conductor h; conductor_limit_handshakes 1 key=$arg_a per=1ms',
    'conductor h; conductor_limit_messages 1 per=1ms bytes=1 close_after=1',
    'conductor h; conductor_max_message 1g; conductor_max_queue 128',
    'conductor h; conductor_ping 1ms timeout=1ms',
    'conductor h; conductor_idle_timeout 365d data',
    'conductor h; conductor_compress 9; conductor_refuse http',
    'conductor h; conductor_origins https://a.example; '
        . 'conductor_origins https://*.b.example',
);

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->plan(@hub + @http + @location + keys(%once) + @good + 5);

like(said($t, hub => $_->[0]), pattern(@$_), "in a hub: $_->[0]") for @hub;
like(said($t, http => $_->[0]), pattern(@$_), "in http: $_->[0]") for @http;
like(said($t, location => $_->[0]), pattern(@$_), "in a location: $_->[0]")
    for @location;

for my $directive (sort keys %once) {
    my $twice = "$directive $once{$directive}; " x 2;
    like(said($t, location => $twice), qr/"$directive" directive is duplicate/,
         "twice in a location: $directive");
}

is(said($t, location => "conductor_auth off; $_"), 'ok', "accepted: $_")
    for @good;

is(said($t, hub => join '', map { "channel c$_ { } " } 1 .. 63), 'ok',
   'a hub has 64 channels');
like(said($t, hub => join '', map { "channel c$_ { } " } 1 .. 64),
     qr/value "c" in "channel" directive: a hub has at most 64 channels/,
     'but not 65');
is(said($t, hub => join '', map { "event e$_ { } " } 1 .. 255), 'ok',
   'a hub has 256 events');
like(said($t, hub => join '', map { "event e$_ { } " } 1 .. 256),
     qr/value "e" in "event" directive: a hub has at most 256 events/,
     'but not 257');

like(said($t, main => 'conductor_hub g { }'),
     qr/"conductor_hub" directive is not allowed here/,
     'a hub stands in http only');


# A configuration with something in one place: "ok", or what nginx says.
sub said {
    my ($t, $place, $text) = @_;
    my %at = (hub => '', http => '', location => '', main => '');

    $at{$place} = $text;

    $at{$place} .= ';' unless $text =~ /\}\s*$/;

    my ($ok, $output) = nginx_t($t, <<"EOF_CONF");

%%TEST_GLOBALS%%

events {
}

$at{main}

http {
    %%TEST_GLOBALS_HTTP%%

    server {
        listen 127.0.0.1:8080;

        location / {
            $at{location}
        }
    }

    conductor_hub h {
        $at{hub}
        channel c { default on; }
        event e { channel c; }
    }

    $at{http}
}

EOF_CONF

    return $ok ? 'ok' : $output;
}


# What the error must say of a directive and its value.
sub pattern {
    my ($text, $directive, $value, $why) = @_;

    my $quoted = defined $value ? quotemeta qq{"$value"} : '';

    return qr/\[emerg\](?=.*\b$directive\b)(?=.*$quoted)(?=.*$why)
              .*\ in\ \S+check\.conf:\d+/x;
}
