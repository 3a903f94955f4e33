#!/usr/bin/perl

# A large hub is told what a tick brought in one message.

# Runs alone: it counts the ticks that changes come in.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::JWT;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(18);

my $secret = 'a secret of at least 32 bytes, better random';

$t->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

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
        presence  memory leave=200ms tick=50ms diff=5;
    }

    conductor_jwt_key     HS256 "$secret";
    conductor_limit_conn  off;
    conductor_ping        off;

    server {
        listen 127.0.0.1:8080;

        location / { conductor h; }
    }
}

EOF_CONF

$t->run();

my @few = map { client($t, "few$_") } 1 .. 3;
list($_) for @few;

change($few[1], 'busy', 'search');
is($few[0]->recv_until(sub { ($_[0]{status} // '') eq 'busy' })->{type},
    'presence-update', 'a small hub gets updates');

# more come

my @more = map { client($t, "more$_") } 1 .. 4;
list($_) for @more;

change($more[3], 'busy', 'login');

my $diff = $few[0]->recv_until(sub { changed($_[0], 'more4', 'busy') });
is(join(' ', sort keys %$diff), 'changed joined left timestamp type',
    'a large one gets diffs');
my ($object) = grep { $_->{userId} eq 'more4' } @{$diff->{joined}},
    @{$diff->{changed}};
is(join(' ', sort keys %$object), 'connectedAt connections currentFeature '
    . 'lastSeen reviewerId role server status userId',
    'with reviewers as the list has them');

change($more[3], 'away', 'login');
$diff = $few[0]->recv_until(sub { changed($_[0], 'more4', 'away') });
is(join(' ', map { $_->{userId} } @{$diff->{changed}}), 'more4',
    'who was there has changed');
is(scalar(@{$diff->{joined}}), 0, 'and did not join');

my $new = client($t, 'new');
list($new);
$diff = $few[0]->recv_until('presence-diff');
is(join(' ', map { $_->{userId} } @{$diff->{joined}}), 'new',
    'who comes has joined');

$new->close(1000);
$diff = $few[0]->recv_until(sub { ($_[0]{type} // '') eq 'presence-diff'
    && @{$_[0]{left}} });
is(join(' ', @{$diff->{left}}), 'new', 'who leaves has left, by its id');

# a tick brings one message

$few[0]->sync();
$more[2]->send_json({ type => 'presence-update', status => $_ })
    for ('busy', 'away', 'online', 'busy');
$diff = $few[0]->recv_until(sub { changed($_[0], 'more3', 'busy') });
ok($diff, 'what changes often is told as it is in the end');

my @told = grep { ($_->{type} // '') eq 'presence-update' }
    @{$few[0]->skipped()};
ok(!grep({ $_->{userId} eq 'more3' && $_->{status} eq 'away' } @told),
    'and no update is among the diffs');

# a filter

is($few[2]->command({ type => 'subscribe', channel => 'presence:updates',
    filter => { status => 'away' } })->{type}, 'ack', 'a client filters');
list($few[2]);
change($more[0], 'busy');
change($more[1], 'away');
$diff = $few[2]->recv_until(sub { changed($_[0], 'more2', 'away') });
is(scalar(@{$diff->{changed}}), 1, 'and gets of a diff what passes');
change($more[1], 'busy');
ok($few[2]->recv_until(sub { changed($_[0], 'more2', 'busy') }),
    'and what passes no longer');

# a few hundred at once, and all of them away again

my $many = many_clients($t, 400,
    token => sub { jwt({ sub => "many$_[0]" }, key => $secret) });
ok($many->wait_each(1, 'presence-list', 30), 'many come');

my %there;
ok(follow(\%there, $few[0], sub { 400 == grep { /^many/ } keys %there }),
    'and all are told of');

$many->close(1000);
ok(follow(\%there, $few[0], sub { !grep { /^many/ } keys %there }),
    'and that all of them have left');

# few are left

$_->close(1000) for @more;
follow(\%there, $few[0], sub { !grep { /^more/ } keys %there });
change($few[1], 'online', 'end');
is($few[0]->recv_until(sub { ($_[0]{currentFeature} // '') eq 'end' })
    ->{type}, 'presence-update', 'a hub that is small again gets updates');

is(join(' ', map { $_->faults() } @few), '', 'without a fault');
is(scalar(grep { !defined $_->{timestamp} } @{$few[0]->skipped()}), 0,
    'all had a time');


# Does a diff say so of a user?
sub changed {
    my ($message, $user, $status) = @_;

    return ($message->{type} // '') eq 'presence-diff'
        && grep { $_->{userId} eq $user && $_->{status} eq $status }
            @{$message->{changed}}, @{$message->{joined}};
}


# Keeps what diffs and updates say, until a condition is true.
sub follow {
    my ($seen, $ws, $condition) = @_;

    while (!$condition->()) {
        my $m = $ws->recv_json() or return 0;

        if ($m->{type} eq 'presence-diff') {
            $seen->{$_->{userId}} = 1 for @{$m->{joined}}, @{$m->{changed}};
            delete $seen->{$_} for @{$m->{left}};

        } elsif ($m->{type} eq 'presence-update') {
            $seen->{$m->{userId}} = 1;
            delete $seen->{$m->{userId}} if $m->{status} eq 'offline';
        }
    }

    return 1;
}


sub client {
    my ($nginx, $user, @roles) = @_;

    return ws_connect($nginx, '/', token => jwt({ sub => $user,
        role => \@roles }, key => $secret));
}


sub list { $_[0]->recv_until('presence-list') }


sub change {
    my ($ws, $status, $feature) = @_;

    return $ws->command({ type => 'presence-update', status => $status,
        currentFeature => $feature })->{type};
}

