#!/usr/bin/perl

# Arguments of an administrator's lists: what is wrong or not known is refused,
# for a list of all is not what was asked for.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $secret = 'a secret of at least thirty-two bytes';

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(27);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     8m;
        history  size=64k;
        presence on;
        channel  presence:updates { default on; }
    }

    server {
        listen 127.0.0.1:8080;

        location /         { conductor h;
                             conductor_identity user=$arg_user role=some; }
        location /admin    { conductor_admin h; }
        location /presence { conductor_presence h; }

        location /token/admin {
            conductor_admin   h;
            conductor_jwt_key HS256 "a secret of at least thirty-two bytes";
            conductor_token   $arg_token;
        }

        location /named/admin {
            conductor_admin    h;
            conductor_identity user=${arg_who} role=some;
        }
    }
}

EOF_CONF

$t->run();

my $ws = ws_connect($t, '/?user=ann');
$ws->recv_until('welcome');

# of connections

for my $address ('zz', '', '127.0.0.1/99', '127.0.0', '127.0.0.1,10.0.0.1') {
    my ($code, $said) = list("connections?address=$address");
    is($code, 400, "the address '$address' is none");
    is_deeply($said, { field => 'address',
                       error => 'it is no address and no network' },
        'which is said') if $address eq 'zz';
}

is((list('connections?address=127.0.0.1'))[1]{count}, 1, 'an address');
is((list('connections?address=%31%32%37.0.0.1'))[1]{count}, 1,
    'however it is written');
is((list('connections?address=127.0.0.2'))[1]{count}, 0, 'another one');
is((list('connections?address=%3A%3Affff%3A7f00%3A1'))[0], 200, 'one of IPv6');
is((list('connections?address=unix:'))[1]{count}, 0, 'and that of a socket');

for my $query ('adress=10.0.0.1', 'user=ann&x=1', 'x', 'users=ann',
               'type=e', '=&rol=x')
{
    my ($code, $said) = list("connections?$query");
    is($code, 400, "with $query");
    like($said->{error}, qr/^there are the arguments user, role, feature/,
        'there is said what can be asked for') if $query eq 'x';
}

is((list('connections?user=ann&&limit=5&'))[1]{count}, 1, 'nothing is nothing');

# of events

is((list('events?user=ann'))[0], 400, 'events of a user there are not');
is((list('events?since=x'))[1]{field}, 'since', 'nor since anything');
is((list('events?type=e&limit=1'))[0], 200, 'but of a type');

# what says who asks

my $token = jwt({ sub => 'root', exp => time() + 1000 }, key => $secret);
my ($code) = api($t, 'GET', "/token/admin/connections?token=$token");
is($code, 200, 'a token may be an argument where it is to be one');
is((api($t, 'GET', "/token/admin/connections?token=$token&tok=1"))[0], 400,
    'as it is named there');
is((list("connections?token=$token"))[0], 400, 'and not elsewhere');
is((api($t, 'GET', '/named/admin/connections?who=ann'))[0], 200,
    'so may be a name');

# the public list

is((api($t, 'GET', '/presence?_=12345'))[1]{count}, 1,
    'presence takes what browsers and proxies add');

$t->stop();


# What an administrator gets: (status, object).
sub list {
    my ($path) = @_;
    return api($t, 'GET', "/admin/$path");
}
