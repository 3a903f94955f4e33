#!/usr/bin/perl

# Redis comes and goes, sends on and on, and says what does not belong into a
# log: the keeper neither grows nor forgets to close what it has opened.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Redis::Between;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
                           ->has_daemon('redis-server'))->plan(13);

my $conf = <<'EOF_CONF';

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 16m;
        state %%TESTDIR%%/h;
        redis redis://127.0.0.1:8379 timeout=500ms;
        channel c { default on; }
        event e { channel c; }
    }

    %%MORE%%

    server {
        listen 127.0.0.1:8080;

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

my $more = <<'EOF_CONF';
    conductor_hub m%%N%% {
        zone 2m;
        history events=100 size=64k;
        state %%TESTDIR%%/m%%N%%;
        redis redis://127.0.0.1:8380 outbox=64k;
        channel c { default on; }
        event e { channel c; }
    }

EOF_CONF

$conf =~ s{%%MORE%%}{join '', map { $more =~ s/%%N%%/$_/gr } 1 .. 24}e;
$t->write_file_expand('nginx.conf', conductor_conf($conf));

my $redis = redis($t, port => 8380);
my $one = Test::Conductor::Redis::Between->new($t, $redis, port => 8379);
my $other = Test::Conductor::Redis::Between->new($t, $redis, port => 8378);

$t->run();

ok(hub_is('connected', 10, $t) && of_more(72)
       && wait_for(sub { of('h') == 3 }), 'hubs have their Redis');

my $keeper = keeper_pid($t);
my $open = fd_count($keeper);

# 24 hubs, with three connections each, three times.

my @size;

for my $round (1 .. 3) {
    my @all = of('m');

    $redis->do('CLIENT', 'KILL', 'ID', $_->{id}) for @all;
    of_more(72, map { $_->{id} } @all) or last;

    push @size, rss($keeper);
}

is(scalar @size, 3, '216 connections are lost and made anew');
ok(wait_for(sub { fd_count($keeper) == $open }),
   'no descriptor is left of them');

SKIP: {
    skip 'sanitizers keep memory of their own', 1
        if $t->configured() =~ /-fsanitize/;

    cmp_ok($size[-1] - $size[0], '<', 1048576, 'and no memory');
}

# Two that send to each other.

my @port = map { Test::Nginx::port($_) } 8379, 8378;

$one->instead(':[01]\r\n\z', "-MOVED 1 127.0.0.1:$port[1]\r\n");
$other->instead(':[01]\r\n\z', "-MOVED 1 127.0.0.1:$port[0]\r\n");
$_->says('h', 'reader', "-LOADING\r\n", '') for $one, $other;

ok(hub_is('degraded', 10, $t), 'two that name each other are none');
ok(wait_for(sub { error() =~ /one names the other, and never itself/ }, 10),
   'which is said');

my $tried = $redis->info('total_connections_received');

ok(wait_for(sub { $redis->info('total_connections_received') > $tried + 6 },
            15), 'it is tried again');
cmp_ok(fd_count($keeper), '<=', $open, 'with no more descriptors');

$_->behave() for $one, $other;
ok(hub_is('connected', 10, $t), 'until they know better');

# What is no text.

$_->says('h', 'commands', "-ERR \e[31mred\a\x7f\x01 \xff\xfe end\r\n", '')
    for $one, $other;

ok(wait_for(sub { error() =~ /red.*end/ }, 10), 'an error is told');
unlike($t->read_file('error.log'), qr/^.*hub "h".*[\x00-\x09\x0b-\x1f\x7f-\xff]/m,
       'without what harms a terminal');

$_->behave() for $one, $other;
ok(hub_is('connected', 10, $t), 'and the hub goes on');

is(keeper_pid($t), $keeper, 'with the same keeper');


# Why the hub is alone.
sub error { (health($t))[1]{redisError} // '' }


# Whether the others come to have so many connections, these not among them.
sub of_more {
    my ($n, @old) = @_;
    my %old = map { $_ => 1 } @old;

    return wait_for(sub {
        my @now = of('m');
        return @now == $n && !grep { $old{$_->{id}} } @now;
    }, 15);
}


# The connections of hubs whose name begins like that.
sub of {
    my ($name) = @_;
    return grep { $_->{name} =~ /^conductor:$name/ } $redis->connections();
}
