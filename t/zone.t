#!/usr/bin/perl

# The shared memory of a hub: what it holds, when it is full, at a reload,
# and beside another.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(49);

# What nginx -t says of it.

for my $zone (qw/ 2m 3145729 10m 64m /) {
    my ($ok, $said) = nginx_t($t, conf(zone => $zone));
    my ($bytes, $n, $usable, $terms, $each) =
        $said =~ /hub\ "h":\ zone\ of\ (\d+)\ bytes\ holds\ (\d+)\ connections
                  \ =\ \((\d+)\ usable((?:\ -\ \d+\ [a-z ]+)+)\)\ \/\ (\d+)$/mx;

    ok($ok && $n, "nginx -t says what a zone of $zone holds") or diag($said);

    my %terms = reverse $terms =~ / - (\d+) ([a-z ]+?)(?= -|$)/g;
    my $taken = 0;
    $taken += $_ for values %terms;

    is($n, int(($usable - $taken) / $each), 'and adds up');
    ok($terms{history} > 65536, 'with the history that was asked for');
    ok($usable < $bytes && $usable > $bytes * 0.95, 'in most of the zone');
}

my ($ok, $said) = nginx_t($t, conf(zone => '2m', history => 'size=2m'));
ok(!$ok, 'a zone that is too small for its history is refused');
like($said, qr/\[emerg\] zone of hub "h" is too small: 2097152 bytes hold no /,
     'with the reason');

# The smallest that holds some: what is over goes to the history.

my $few = few($t, 24);
my ($n) = (nginx_t($t, $few))[1] =~ /holds (\d+) connections/;

ok($n > 8 && $n < 48, "a small zone holds $n connections");

$t->write_file_expand('nginx.conf', conductor_conf($few));
$t->run();

is((health($t))[1]{capacity}, $n, 'which health says, too');
like((health($t))[1]{server}, qr/^\S+-[0-9a-f]{8}$/,
     'beside the name of the server');
like((health($t))[1]{server}, qr/^\w/, 'which begins with that of the host');

# A full zone.

my $many = many_clients($t, $n);
is($many->open_count(), $n, 'as many clients connect');

my $ws = ws_connect($t, '/');
is($ws->status(), 503, 'and not one more');
like($ws->header('Retry-After'), qr/^[1-9]\d*$/, 'which may come later');
is($ws->body_json()->{code}, 'zone_full', 'and hears why');
is((health($t, probe => 'ready'))[0], 503, 'the server is not ready');
is((health($t, probe => 'live'))[0], 200, 'but alive');
is((health($t))[1]{status}, 'degraded', 'and degraded');
is((publish($t, { type => 'e' }))[0], 200, 'an event is still accepted');
ok($many->wait_each(1, 'e'), 'and reaches all');

is(ws_connect($t, '/other')->status(), 101, 'another hub is not concerned');

my $out = ($many->clients())[0];
$out->reset();
ok(wait_for(sub { ws_connect($t, '/')->status() == 101 }),
   'one that leaves makes room');

# Two hubs are two.

my $other = ws_connect($t, '/other');
$other->recv_until('welcome');

publish($t, { type => 'e', n => 1 });
is((publish($t, { type => 'o', n => 2 }))[0], 422,
   'a hub does not know the events of another');
publish($t, { type => 'o', n => 3 }, path => '/publish/other');
is($other->recv_until(sub { defined $_->{n} })->{n}, 3,
   'and sends none of them');
is((health($t, path => '/health/other'))[1]{connections}, 1,
   'they count for themselves');

# nginx -t beside a running server.

my $boot = (health($t))[1]{server};
my @before = (segments(), fd_count((worker_pids($t))[0]));

($ok, $said) = nginx_t($t, $few);
ok($ok, 'nginx -t beside a running server');
is((health($t))[1]{server}, $boot, 'does not touch its zone');
is(join(' ', segments(), fd_count((worker_pids($t))[0])), "@before",
   'and leaves nothing behind');

# A reload keeps the zone, whatever history is asked for.

publish($t, { type => 'o', n => 4 }, path => '/publish/other');
$_->drop() for $many->clients(), $other;

$t->write_file_expand('nginx.conf',
                      conductor_conf(conf(zone => '2m')));
ok(reload_workers($t), 'reloaded with less history');
is((health($t))[1]{server}, $boot, 'the zone is the same');
is((health($t))[1]{capacity}, $n, 'and holds as many');
ok($t->find_in_file('error.log',
       qr/\[warn\].*hub "h" keeps the history it was made with/),
   'which the log says');
ok(!$t->find_in_file('error.log', qr/made anew/), 'and no more');
is(ws_connect($t, '/')->recv_json()->{type}, 'welcome', 'and works');

# Another size is another zone.

$t->write_file_expand('nginx.conf', conductor_conf(conf(zone => '4m')));
ok(reload_workers($t), 'reloaded with another size');
isnt((health($t))[1]{server}, $boot, 'the zone is new');
cmp_ok((health($t))[1]{capacity}, '>', $n, 'and holds more');
ok($t->find_in_file('error.log', qr/\[warn\].*zone of hub "h".*(?:size|made)/),
   'which the log says');


# A configuration with a hub of some size, and another.
sub conf {
    my (%opt) = @_;
    my $history = $opt{history} // 'events=100 size=64k';

    return <<"EOF_CONF";

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    $opt{zone};
        history $history;
        drain   100ms;
        channel c { default on; }
        event   e { channel c; }
    }

    conductor_hub other {
        zone    3m;
        history size=64k;
        drain   100ms;
        channel d { default on; }
        event   o { channel d; }
    }

    conductor_auth       off;
    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;

        location /              { conductor h; }
        location /other         { conductor other; }
        location /publish       { conductor_publish h; }
        location /publish/other { conductor_publish other; }
        location /health        { conductor_health h; }
        location /health/other  { conductor_health other; }
    }
}

EOF_CONF
}


# One whose history leaves room for about N connections.
sub few {
    my ($t, $n) = @_;
    my $said = (nginx_t($t, conf(zone => '2m')))[1];
    my ($all, $each) = $said =~ /holds (\d+) connections .* (\d+)$/m;
    my $size = 64 + int(($all - $n) * $each / 1024);

    return conf(zone => '2m', history => "events=100 size=${size}k");
}


# How much shared memory the system knows by name.
sub segments {
    my @all = (glob('/dev/shm/*'), `cat /proc/sysvipc/shm`);
    return scalar @all;
}
