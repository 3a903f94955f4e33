#!/usr/bin/perl

# A reload: clients are sent on over the drain time, and events go on.

# Runs alone: it looks at when clients are sent on.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

use JSON::PP;
use Time::HiRes qw/ time /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(29);

my $conf = conductor_conf(<<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     4m;
        name     first;
        history  events=10000 size=1m;
        drain    2s;

        channel c { default on; }
        event e { channel c; }
    }

    conductor_auth        off;
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

$t->write_file_expand('nginx.conf', $conf);
$t->run();

# 200 clients, and events all the time

my $many = many_clients($t, 200);
ok($many->wait_each(1), '200 clients are welcome');
is(decode_json(($many->got(0))[0])->{server}, 'first', 'on the first server');

my $second = $conf;
$second =~ s/name     first/name     second/;
$second =~ s/event e /event later { channel c; }\n        event e /;
$t->write_file_expand('nginx.conf', $second);

is((publish($t, { type => 'later', n => 0 }))[0], 422,
    'an event that is not configured is unknown');

$t->run_daemon(\&publisher, $t);
$many->wait_each(5, 'e') or die "no events\n";

my @old = worker_pids($t);
my $begin = time();
$t->reload();
wait_for(sub { !grep { my $p = $_; grep { $_ == $p } @old }
                    worker_pids($t) });

# new clients and old ones at once

my @new = map { ws_connect($t, '/') } 1 .. 10;
is(scalar(grep { $_->is_open() } @new), 10, 'new clients connect at once');

my $health = (health($t))[1];
$many->read_once(0);
cmp_ok($health->{connections}, '>=', 10 + $many->open_count(),
    'old and new are counted together');

my @welcome = map { $_->recv_until('welcome') } @new;
is(join(' ', map { $_->{server} } @welcome), join(' ', ('second') x 10),
    'the new configuration is in effect');

my %closed;

ok($many->run_until(sub {
    for my $i (0 .. 199) {
        $closed{$i} //= time() if $many->{clients}[$i]{closed};
        my $ws = $many->{clients}[$i];
        $ws->send_frame(8, pack 'n', 1012)
            if $ws->{closed} && !$ws->{close_sent}++;
    }
    return !$many->open_count();
}), 'all old clients are closed');

my $took = time() - $begin;
my @at = sort { $a <=> $b } values %closed;

my %known = map { $_->{eventId} => 1 } map { $many->messages($_, 'e') }
            0 .. 199;
ok($known{$welcome[0]{lastEventId}}, 'the log goes on where it was');
is(scalar(@at), 200, 'each with a close frame');
is(scalar(grep { $_->{closed}[0] == 1012 } $many->clients()), 200,
    'whose code is 1012');
is(scalar(grep { $_->{closed}[1] =~ /^retry=\d{1,5}\z/ } $many->clients()),
    200, 'and which says when to come back');
cmp_ok($at[-1] - $at[0], '>', 0.5, 'not all at once');

my %retry = map { $_->{closed}[1] => 1 } $many->clients();
cmp_ok(scalar(keys %retry), '>', 50, 'nor shall all come back at once');

ok(wait_gone(\@old, 10), 'the old workers end');
cmp_ok($took, '<', 12, 'and soon');

# the events

$t->write_file('stop', '');
wait_for(sub { -e $t->testdir() . '/published' });
my ($count) = $t->read_file('published') =~ /(\d+)/;
cmp_ok($count, '>', 20, 'events were published all the while');
publish($t, { type => 'e', n => 'end' });

my ($holes, $doubled) = (0, 0);

for my $i (0 .. 199) {
    my @n = map { $_->{n} } $many->messages($i, 'e');
    $holes++ if "@n" ne join ' ', 1 .. @n;
}

is($holes, 0, 'old clients got each event once and in order up to the close');

for my $ws (@new) {
    my @n;

    while (my $event = $ws->recv_json()) {
        last if $event->{n} eq 'end';
        push @n, $event->{n};
    }

    $holes++ if !@n || "@n" ne join ' ', $n[0] .. $count;
}

is($holes, 0, 'so did new clients from their welcome on');
is((publish($t, { type => 'later', n => 1 }))[0], 200,
    'a new event may be published');
is($new[0]->recv_until('later')->{n}, 1, 'and arrives');
ok(wait_for(sub { (health($t))[1]{connections} == 10 }),
    'only the new clients are counted');
is((health($t))[1]{workers}, workers(), 'and only the new workers');

# those who do not answer a close, or read nothing

my $mute = ws_connect($t, '/');
@old = reload_workers($t);
is(scalar(@old), workers(), 'it is reloaded again');
is(join(' ', ($mute->expect_close(10, reply => 0))[0, 2]), '1012 1',
    'who does not answer the close is left after a second');
ok(wait_gone(\@old, 10), 'and keeps no worker');

# no time at all

$second =~ s/drain    2s/drain    0/;
$t->write_file_expand('nginx.conf', $second);
reload_workers($t);
wait_for(sub { worker_pids($t, all => 1) == workers() });

my $now = many_clients($t, 20);
@old = reload_workers($t);
ok($now->run_until(sub { !grep { !$_->{closed} } $now->clients() }, 5),
    'where drain is 0 all are closed at once');
is(scalar(grep { $_->{closed}[0] == 1012 } $now->clients()), 20, 'with 1012');
$_->send_frame(8, pack 'n', 1012) for $now->clients();
ok(wait_gone(\@old, 10), 'and the worker ends');

is_deeply([ map { $_->faults() } $many->clients(), @new, $now->clients() ],
    [], 'no client finds a fault');


# Publishes one event after the other until a file "stop" is there.
sub publisher {
    my ($nginx) = @_;
    my $n = 0;

    until (-e $nginx->testdir() . '/stop') {
        my ($status) = publish($nginx, { type => 'e', n => $n + 1 });
        $n++ if $status && $status == 200;
        select undef, undef, undef, 0.02;
    }

    $nginx->write_file('published.tmp', $n);
    rename $nginx->testdir() . '/published.tmp',
        $nginx->testdir() . '/published';
}
