#!/usr/bin/perl

# A user with several connections is one reviewer.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(14);

my $secret = 'a secret of at least 32 bytes, better random';

$t->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      8m;
        history   events=100 size=64k;
        presence  memory leave=200ms tick=10ms;
    }

    conductor_jwt_key     HS256 "$secret";
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location / { conductor h; }
    }
}

EOF_CONF

$t->run();

my $watcher = client($t, 'watcher');
list($watcher);

my @bob = map { my $ws = client($t, 'bob', 'r' . $_); list($ws); $ws } 0 .. 2;

is(told($watcher, 'bob')->{status}, 'online', 'a user comes');

my $late = client($t, 'late');
my @there = grep { $_->{userId} eq 'bob' } @{list($late)->{reviewers}};

is(scalar @there, 1, 'with three connections it is one reviewer');
is($there[0]{connections}, 3, 'that has three');
is($there[0]{role}, 'r2', 'and the role of the last');

change($bob[0], 'busy', 'first');
is(told($watcher, 'bob', 'busy')->{currentFeature}, 'first',
    'what one of them says is what the user does');

change($bob[2], 'away', 'third');
is(told($watcher, 'bob', 'away')->{currentFeature}, 'third',
    'the latest counts');

$bob[2]->close(1000);
is(told($watcher, 'bob', 'busy')->{currentFeature}, 'first',
    'when it ends, that of the newest remaining one does');

$bob[1]->close(1000);
change($bob[0], 'online', 'last');
is(told($watcher, 'bob', 'online')->{currentFeature}, 'last',
    'with the last one the user is there');

$bob[0]->close(1000);
my $gone = told($watcher, 'bob', 'offline');
is($gone->{status}, 'offline', 'and leaves with it');
is($gone->{currentFeature}, 'last', 'as it was');

my $again = client($t, 'bob', 'r9');
list($again);
my $back = told($watcher, 'bob', 'online');
is($back->{role}, 'r9', 'who comes back is there');
is($back->{currentFeature}, undef, 'and has said nothing yet');
ok($back->{connectedAt} > $gone->{connectedAt}, 'since another time');

is(join(' ', map { $_->faults() } $watcher, $late), '', 'without a fault');


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


# The next update of a user; the first with that status, if it is given.
sub told {
    my ($ws, $user, $status) = @_;

    return $ws->recv_until(sub {
        $_[0]{type} eq 'presence-update' && ($_[0]{userId} // '') eq $user
            && $_[0]{status} eq ($status // $_[0]{status});
    }) // {};
}
