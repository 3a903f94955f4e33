#!/usr/bin/perl

# What strangers choose and the logs repeat: it stays what it is.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(13);

my $secret = 'hostile-hostile-hostile-hostile-';

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

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
        event e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        location /token {
            conductor h;
            conductor_jwt_key HS256 hostile-hostile-hostile-hostile-;
        }

        location /header {
            conductor h;
            conductor_identity user=$http_x_user role=$http_x_role;
        }

        location /publish {
            conductor_publish h;
            conductor_jwt_key HS256 hostile-hostile-hostile-hostile-;
            conductor_require_role publisher;
        }
    }
}

EOF_CONF

$t->run();

# a name that is legal, and wants to be more

my $user = qq{eve", connection: conn_forged, user: "\\x};
my $ws = ws_connect($t, '/token', token => token(sub => $user));
my $welcome = $ws->recv_until('welcome');

is($welcome->{userId}, $user, 'a name may have quotes in it');

$ws->close(1000, qq{bye", user: "root"\n\e[31m});
$ws->expect_close();

my $line = log_line($t, qr/connection ended, normal.*$welcome->{connectionId}/);
ok($line, 'its end is logged');
is_deeply([ $line =~ /user: "([^"]*)", connection: (\S+)$/ ],
    [ 'eve\x22, connection: conn_forged, user: \x22\x5Cx',
      $welcome->{connectionId} ], 'with quotes that cannot be forged');
unlike($line, qr/root/, 'and without what the client said of it');

# a name that would turn a terminal's text around

$ws = ws_connect($t, '/token', token => token(sub => "a\x{202e}b"));
is($ws->recv_until('welcome')->{userId}, "a\x{202e}b",
    'a name may be any text');
$ws->close(1000);
$ws->expect_close();
ok(log_line($t, qr/user: "a\\xE2\\x80\\xAEb"/), 'and is logged as ASCII');

$ws = ws_connect($t, '/token', token => token(sub => "a\x{9b}31m"));
is($ws->status(), 401, 'a token with a control character is refused');

$ws = ws_connect($t, '/header', headers => [ "X-User: a\xc2\x9b31m" ]);
is($ws->status(), 401, 'as is such a variable');

$ws = ws_connect($t, '/header',
                 headers => [ 'X-User: a', "X-Role: \xc2\x80" ]);
is($ws->status(), 401, 'for a role, too');

$ws = ws_connect($t, '/header', headers => [ "X-User: caf\xc3\xa9" ]);
is($ws->status(), 101, 'a letter beyond ASCII is none');

# a role that is refused

my ($status) = publish($t, {}, token => token(sub => 'u', role => 'a"b'));
is($status, 403, 'a role that may not publish is refused');
ok(log_line($t, qr/role "a\\x22b" is not allowed/), 'and logged in quotes');

is(scalar(grep { /conductor:/ && /[^\x20-\x7e]/ }
    split /\n/, $t->read_file('error.log')), 0,
    'no line of the hub has anything but printable ASCII');


# A token with these claims.
sub token {
    return jwt({ @_ }, key => $secret);
}


# The line of the error log that matches, once it is there.
sub log_line {
    my ($t, $re) = @_;

    return wait_for(sub {
        (grep { /$re/ } split /\n/, $t->read_file('error.log'))[0]
    });
}
