#!/usr/bin/perl

# nginx -t refuses back ends that cannot be, with directive, value and reason.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $uri = qr/is the URI of a location of this server, such as "\/backend", or/;
my $kind = qr/is called for "connect", "message", "disconnect" and "presence"/;

# What a location says: the directive, the value, and the reason.

my @location = (
    [ 'conductor_backend', undef, qr/invalid number of arguments/ ],
    [ 'conductor_backend back', 'back', $uri ],
    [ 'conductor_backend ""', '', $uri ],
    [ 'conductor_backend http://127.0.0.1/', 'http://127.0.0.1/', $uri ],
    [ 'conductor_backend @back', '@back', $uri ],
    [ 'conductor_backend redis-stream:', 'redis-stream:',
      qr/the name of a stream is/ ],
    [ 'conductor_backend /b all', 'all', $kind ],
    [ 'conductor_backend /b connect connect', 'connect',
      qr/it is given twice/ ],
    [ 'conductor_backend /a connect message; conductor_backend /b message',
      '/b', qr/another back end is called for that already/ ],
    [ 'conductor_backend_concurrency 0', '0', qr/a number from 1 to 65535/ ],
    [ 'conductor_backend_concurrency 65536', '65536',
      qr/a number from 1 to 65535/ ],
    [ 'conductor_backend_concurrency 1; conductor_backend_concurrency 2',
      undef, qr/is duplicate/ ],
    [ 'conductor_backend_timeout 0', '0', qr/it is a time above 0/ ],
    [ 'conductor_backend_timeout x', 'x', qr/it is a time above 0/ ],
    [ 'conductor_backend_timeout 1s; conductor_backend_timeout 1s', undef,
      qr/is duplicate/ ],
    [ 'conductor_backend /b disconnect', undef, qr/hub "h" needs "state"/ ],
    [ 'conductor_backend redis-stream:x', undef,
      qr/hub "h" needs "(state|redis)"/ ],
);

# What a hub says.

my $own = qr/such messages are the hub's own/;

my @hub = (
    [ 'message', undef, qr/invalid number of arguments/ ],
    (map { [ "message $_", $_, $own ] }
        qw/ ping subscribe auth other invalid echo /),
    [ 'message agent:x', 'agent:x', qr/go to a back end without this/ ],
    [ 'message "a b"', 'a b', qr/a name is 1 to 64 letters, digits/ ],
    [ 'message x x', 'x', qr/it is given twice/ ],
    [ 'message x; message y x', 'x', qr/it is given twice/ ],
);

my @good = (
    [ '', 'conductor_backend /b' ],
    [ 'message custom-command; message a b', 'conductor_backend /b message' ],
    [ '', 'conductor_backend /a connect; conductor_backend /b?x=1 message' ],
    [ '', 'conductor_backend_concurrency 1; conductor_backend_timeout 1ms' ],
);

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->plan(@location + @hub + @good + 1);

for (@location) {
    my ($conf, $value, $why) = @$_;
    refused($t, '', $conf, $conf, $value, $why);
}

for (@hub) {
    my ($conf, $value, $why) = @$_;
    refused($t, $conf, '', $conf, $value, $why);
}

for (@good) {
    my ($ok, $output) = nginx_t($t, conf(@$_));
    ok($ok, "accepted: @$_") or diag($output);
}

my $many = join '', map { "location /l$_ { conductor h; conductor_auth off;
    conductor_backend /b$_; }" } 1 .. 9;
my ($ok, $output) = nginx_t($t, conf('', '', $many));
like($output, qr/hub "h" has more than 8 back ends/,
    'there are 8 back ends of a hub at most');


sub refused {
    my ($t, $hub, $location, $conf, $value, $why) = @_;
    my ($ok, $output) = nginx_t($t, conf($hub, $location));

    my $said = defined $value ? qr/invalid value "\Q$value\E" in .*$why/
                              : $why;
    my $right = !$ok && $output =~ $said;

    ok($right, "refused: $conf") or diag($output);
}


sub conf {
    my ($hub, $location, $more) = @_;
    $_ .= ';' for grep { length } $hub, $location;
    $more //= '';

    return <<"EOF_CONF";
%%TEST_GLOBALS%%

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h { zone 4m; $hub }

    server {
        listen 127.0.0.1:8080;

        location / { conductor h; conductor_auth off; $location }
        $more
    }
}
EOF_CONF
}
