#!/usr/bin/perl

# The rights that the documentation gives the servers in Redis are enough for
# all they do, and for nothing in another hub.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
    ->has_daemon('redis-server'))->plan(10);

$ENV{CONDUCTOR_TEST_PASSWORD} = 'of the servers';

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub reviews {
        zone     8m;
        history  events=1000 size=256k;
        state    one;
        presence memory;
        redis    redis://conductor@127.0.0.1:8379 outbox=128k
                 password=env:CONDUCTOR_TEST_PASSWORD;

        channel tasks:updates        { default on; }
        channel presence:updates     { default on; }
        channel admin:notifications  { default on; roles admin; }

        event e { channel tasks:updates; }
    }

    conductor_hub other {
        zone     8m;
        history  events=1000 size=256k;
        state    two;
        redis    redis://conductor@127.0.0.1:8379 outbox=128k
                 password=env:CONDUCTOR_TEST_PASSWORD;
    }

    server {
        listen 127.0.0.1:8080;

        location /        { conductor reviews; conductor_auth off; }
        location /publish { conductor_publish reviews; }
        location /admin   { conductor_admin reviews; }
        location /health  { conductor_health reviews; }
        location /other   { conductor_health other; }
    }
}

EOF_CONF

my ($rights) = slurp('../docs/redis.md') =~ /^ACL SETUSER conductor (.*)$/m;
ok($rights, 'the documentation says what rights the servers need');
$rights =~ s/>PASSWORD//;

my $redis = redis($t);
$redis->do('ACL', 'SETUSER', 'conductor', '>of the servers',
           split ' ', $rights);

$t->run();

###############################################################################

ok(wait_for(sub { (health($t))[1]{redis} eq 'connected' }, 15),
    'the hub is connected as that user');

my $ws = ws_connect($t, '/');
is((publish($t, { type => 'e', n => 1 }))[0], 200, 'an event is accepted');
is($ws->recv_until('e')->{n}, 1, 'and arrives');

is((api($t, 'POST', '/admin/notifications',
    body => '{"level":"info","message":"m"}'))[0], 200,
    'a notification is sent');
is((api($t, 'POST', '/admin/revocations',
    body => '{"user":"nobody","until":' . (time() + 60) . '000}'))[0], 200,
    'a user is revoked');
ok(wait_for(sub { (health($t))[1]{outbox}{events} == 0 }),
    'Redis has all of it');

is(denied($redis, 'conductor:reviews'), '', 'nothing was denied');

ok(wait_for(sub { ((api($t, 'GET', '/other'))[1]{redisError} // '')
                  =~ /NOPERM|No permissions|no permissions/ }, 15),
    'a hub of another name is told that it has no rights');
like(denied($redis, 'conductor:other'), qr/conductor:other/,
    'by Redis itself');

###############################################################################

sub slurp {
    my ($name) = @_;
    open my $f, '<', $name or die "$name: $!\n";
    local $/;
    return scalar <$f>;
}


# What the log of denied commands says that has to do with a hub, or with none.
sub denied {
    my ($redis, $hub) = @_;
    my @denied;

    for (@{$redis->do('ACL', 'LOG')}) {
        my %entry = @$_;
        my $what = "$entry{reason} $entry{object}";
        push @denied, $what if $what =~ /\Q$hub\E/ || $what !~ /conductor:/;
    }

    return join ', ', @denied;
}
