#!/usr/bin/perl

# Notifications of an administrator: to all, to a role, to a user.

use warnings;
use strict;
use utf8;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl /)
    ->has_daemon('openssl'))->plan(33);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 4m;
        history size=256k;
        channel c { default on; }
        channel admin:notifications { default on; }
        event e { channel c; }
    }

    # nobody's role sees the channel
    conductor_hub off {
        zone 2m;
        history size=64k;
        channel admin:notifications { default on; roles nobody; }
    }

    conductor_hub own {
        zone 2m;
        history size=64k;
        channel c { default on; }
        channel admin:notifications { default on; }
        event admin-notification { channel c; require text; }
    }

    conductor_hub some {
        zone 2m;
        history size=64k;
        channel admin:notifications { default on; }
        event admin-notification { fields message to.x; redact level; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8443 ssl;

        ssl_certificate      localhost.crt;
        ssl_certificate_key  localhost.key;

        conductor_identity  user=$arg_user role=$arg_role;
        conductor_compress  on;

        location /             { conductor h; }
        location /header       {
            conductor h;
            conductor_identity user=$http_x_user;
        }

        location /off          { conductor off; }
        location /own          { conductor own; }
        location /some         { conductor some; }
        location /publish      { conductor_publish h; conductor_auth off; }
        location /publish/own  { conductor_publish own; conductor_auth off; }
        location /admin        { conductor_admin h; conductor_auth off; }
        location /admin/off    { conductor_admin off; conductor_auth off; }
        location /admin/own    { conductor_admin own; conductor_auth off; }
        location /admin/some   { conductor_admin some; conductor_auth off; }
    }
}

EOF_CONF

certificate($t);

$t->run();

###############################################################################

my @all = map { client($t, "/?user=$_") } qw/ ann ann bob bob cid cid /;
my @admin = (client($t, '/?user=dan&role=admin'),
             client($t, '/?user=eve&role=user,admin', ssl => 1),
             client($t, '/?user=eve&role=admin,user',
                    extensions => 'permessage-deflate'));

# To all.

my ($code, $said) = notify($t, { level => 'critical', message => "é \"\n" });
is($code, 200, 'a notification to all');

my @got = map { $_->recv_until('admin-notification') } @all, @admin;

is(scalar(grep { $_->{eventId} eq $said->{eventId} } @got), 9,
    'reaches everyone, with the id that was answered');
is_deeply([ @{$got[0]}{qw/ level message /} ], [ 'critical', "é \"\n" ],
    'and what was said');
like($got[0]{timestamp}, qr/^\d{13}$/, 'and when');
is(join(' ', sort keys %{$got[0]}),
    'eventId level message timestamp type', 'and no more');

# To a role, in the order of events.

publish($t, { type => 'e', n => 1 });
($code, $said) = notify($t, { message => 'to admins', role => 'admin' });
publish($t, { type => 'e', n => 2 });

for my $ws (@admin) {
    is(join(' ', map { $_->{n} // $_->{message} }
            map { $ws->recv_json() } 1 .. 3), '1 to admins 2',
        'one of the role has it between its events');
}

is(scalar(grep { $_->recv_until(sub { ($_->{n} // 0) == 2 })
                 && !grep { ($_->{type} // '') eq 'admin-notification' }
                    @{$_->skipped()} } @all), 6, 'nobody else has');

($code, $said) = notify($t, { message => 'm', role => 'admi' });
is($code, 200, 'a role that nobody has');

# To a user.

($code, $said) = notify($t, { message => 'to bob', user => 'bob' });
publish($t, { type => 'e', n => 3 });

for my $ws (@all, @admin) {
    my $first = $ws->recv_json();
    my $bob = $ws == $all[2] || $ws == $all[3];

    is($bob ? $first->{message} : $first->{n}, $bob ? 'to bob' : 3,
        $bob ? 'the user has it' : 'nobody else has');
    $ws->recv_json() if $bob;

    is(join(' ', sort keys %$first),
        'eventId level message timestamp type', 'without whom it was for')
        if $bob;
}

is($said->{eventId} =~ /-(\d+)$/ && $1, 6, 'it has its place among the events');

# Who has not got the channel.

my @off = map { client($t, "/off?user=$_&role=r") } qw/ ann bob /;

my $gone = client($t, '/off?user=cid&role=r');
$gone->send_json({ type => 'unsubscribe', id => 1,
                   channel => 'admin:notifications' });
is($gone->recv_json()->{type}, 'ack', 'a client wants none of them');

notify($t, { message => 'all' }, '/admin/off');
notify($t, { message => 'ann', user => 'ann' }, '/admin/off');
notify($t, { message => 'r', role => 'r' }, '/admin/off');

is($off[0]->recv_json()->{message}, 'ann',
    'one to all is for those who have the channel, one to a user for her');
is($off[0]->recv_json()->{message}, 'r', 'and one to a role for all of it');
is($off[1]->recv_json()->{message}, 'r', 'whoever sees the channel');
$gone->send_json({ type => 'ping', id => 2 });
is($gone->recv_json()->{type}, 'pong', 'but who does not want it gets none');

# A type that the configuration defines; a publisher's own field "to".

my $own = client($t, '/own?user=ann');

is((publish($t, { type => 'admin-notification', level => 'info' }))[0], 422,
    'the type that comes by itself requires its fields');
is((publish($t, { type => 'admin-notification', to => 'ann', text => 't' },
            path => '/publish/own'))[0], 200, 'one of the hub its own');
is($own->recv_json()->{to}, 'ann', 'and a field of a publisher is a field');

# One of the hub its own that lets few fields pass.

my @some = map { client($t, "/some?user=$_&role=r") } qw/ ann bob /;

notify($t, { message => 'ann', user => 'ann' }, '/admin/some');
notify($t, { message => 'r', role => 'r' }, '/admin/some');
is_deeply([ map { my $m = $some[0]->recv_json(); [ @$m{qw/ message level /} ] }
            1 .. 2 ], [ [ 'ann', undef ], [ 'r', undef ] ],
    'reaches a user and a role, with these');
is($some[1]->recv_json()->{message}, 'r', 'and nobody else');

# Names with what JSON escapes, and one that is too long.

my $quoted = client($t, '/header', headers => [ "X-User: a\"\\\xc3\xa9" ]);
notify($t, { message => 'long', user => 'x' x 300 });
notify($t, { message => 'quoted', user => "a\"\\é" });
is($quoted->recv_json()->{message}, 'quoted', 'a name that is escaped');

###############################################################################

sub client {
    my ($t, $path, %opt) = @_;
    my $ws = ws_connect($t, $path, %opt);

    $ws->recv_until('welcome');
    return $ws;
}


sub notify {
    my ($t, $what, $path) = @_;
    $path //= '/admin';

    return (api($t, 'POST', "$path/notifications",
                body => JSON::PP->new->utf8->encode($what)))[0, 1];
}


sub certificate {
    my $dir = $_[0]->testdir();

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
         . "-nodes -days 2 -subj /CN=localhost -keyout $dir/localhost.key "
         . "-out $dir/localhost.crt >/dev/null 2>&1") == 0
        or die "openssl failed\n";
}
