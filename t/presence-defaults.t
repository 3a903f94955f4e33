#!/usr/bin/perl

# What presence does where the configuration says nothing: how long lists and
# pages are, from when on there are diffs, how often somebody is told.

use warnings;
use strict;

use Test::More;

use Time::HiRes qw/ time /;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /))->plan(17);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
    worker_connections 2048;
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      8m;
        history   events=100 size=64k;
        presence  memory;

        channel   presence:updates { default on; roles watcher; }
    }

    conductor_hub slow {
        zone      8m;
        history   events=100 size=64k;
        presence  memory tick=1s;

        channel   presence:updates { default on; }
    }

    conductor_limit_conn      off;
    conductor_limit_messages  off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor           h;
            conductor_identity  user=$arg_user role=$arg_role;
        }

        location /slow {
            conductor           slow;
            conductor_identity  user=$arg_user;
        }

        location /presence { conductor_presence h; }
    }
}

EOF_CONF

$t->run();

# lists and pages

my $watcher = client($t, '/?user=watcher&role=watcher');
my @many = map { many($t, $_) } [ 1, 490 ], [ 491, 510 ];

ok(wait_for(sub { total($t) == 511 }), 'many are there');

my $list = client($t, '/?user=other&role=watcher')
    ->recv_until('presence-list');

is(scalar(@{$list->{reviewers}}), 500, 'a list has 500 of them');
is($list->{total}, 512, 'and says how many there are');
ok($list->{truncated}, 'and that it is not all');

my (undef, $page) = api($t, 'GET', '/presence');
is($page->{count}, 500, 'a page has as many');
ok(defined $page->{cursor}, 'and there is another');
(undef, $page) = api($t, 'GET', "/presence?cursor=$page->{cursor}");
cmp_ok($page->{count}, '>=', 11, 'with the others');

wait_for(sub { total($t) == 511 });
(undef, $page) = api($t, 'GET', '/presence?limit=1000');
is($page->{count}, 511, 'unless more is wanted');

# diffs

is(told($watcher, $many[0], 'a'), 'presence-diff',
    'from 500 reviewers on a change comes in a diff');

leave($t, $many[0], 90);
is(told($watcher, $many[1], 'b'), 'presence-diff',
    'and still when there are fewer');

leave($t, $many[0], 30);
is(told($watcher, $many[1], 'c'), 'presence-update',
    'until there are less than 400');

# ticks

my $ann = client($t, '/slow?user=ann');
my $bob = client($t, '/slow?user=bob');

$_->recv_until('presence-list') for $ann, $bob;
$ann->recv_until(sub { ($_->{userId} // '') eq 'bob' });

my $from = time();
my $changes = 0;

while (time() < $from + 1.5) {
    $ann->command({ type => 'presence-update', status => 'busy',
        currentFeature => 'f' . ++$changes });
}

$ann->command({ type => 'presence-update', status => 'away' });
ok($bob->recv_until(sub { $_->{status} eq 'away' }), 'the last change is told');

my $updates = grep { $_->{type} eq 'presence-update'
    && $_->{userId} eq 'ann' } @{$bob->skipped()};
my $bound = 2 + int(time() - $from);

cmp_ok($changes, '>', 10, 'somebody changes often');
cmp_ok($updates, '>', 0, 'which is told');
cmp_ok($updates, '<=', $bound, 'once in a tick');

my @features = map { /^f(\d+)/ } map { $_->{currentFeature} // '' }
    @{$bob->skipped()};
is("@features", join(' ', sort { $a <=> $b } @features), 'in order');
is(join(' ', map { $_->faults() } $watcher, $ann, $bob), '', 'without a fault');


sub client {
    my ($t, $path) = @_;

    my $ws = ws_connect($t, $path);
    $ws->recv_until('welcome');
    return $ws;
}


# Reviewers who do not watch, from one number to another.
sub many {
    my ($t, $range) = @_;
    my ($from, $to) = @$range;

    return many_clients($t, $to - $from + 1,
        path => sub { '/?user=user' . ($from + $_[0]) });
}


sub total { (api($_[0], 'GET', '/presence?limit=1'))[1]{total} }


# So many of them leave.
sub leave {
    my ($t, $many, $n) = @_;
    my $left = total($t) - $n;

    my @open = grep { !$_->{left}++ } ($many->clients())[100 .. 489];
    $_->close(1000) for @open[0 .. $n - 1];
    delete $_->{left} for @open[$n .. $#open];
    wait_for(sub { total($t) == $left });
}


# In what kind of message a watcher is told that the last one of many changed.
sub told {
    my ($ws, $many, $feature) = @_;
    my $client = ($many->clients())[-1];
    my $kind;

    $client->send_json({ type => 'presence-update', status => 'busy',
        currentFeature => $feature });

    $ws->recv_until(sub {
        my ($m) = @_;
        my @all = $m->{type} eq 'presence-update' ? $m
            : (@{$m->{changed} // []}, @{$m->{joined} // []});

        $kind = $m->{type};
        return grep { ($_->{currentFeature} // '') eq $feature } @all;
    });

    return $kind;
}
