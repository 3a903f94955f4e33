#!/usr/bin/perl

# Who leaves and comes back at once never was away.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(13);

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
        presence  memory leave=1s tick=10ms;
        drain     300ms;
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

my $ann = client($t, 'ann');
my $bob = client($t, 'bob');
my $carl = client($t, 'carl');
list($_) for $ann, $bob, $carl;

my $here = told($ann, 'bob');

# a page that is loaded again

$bob->close(1000);
$bob = client($t, 'bob');
list($bob);
change($bob, 'away', 'search');

my $next = told($ann, 'bob', 'away');
is($next->{connectedAt}, $here->{connectedAt},
    'who comes back at once was there all the time');
ok(!grep({ $_->{status} eq 'offline' } updates($ann, 'bob')),
    'and nobody was told otherwise');

# who does not

$bob->reset();
is(change($carl, 'busy', 'x'), 'ack', 'a client is cut off');
is(told($ann, 'carl', 'busy')->{currentFeature}, 'x',
    'others go on');
my $there = client($t, 'late');
ok(grep({ $_->{userId} eq 'bob' } @{list($there)->{reviewers}}),
    'for a while it is listed');
is(told($ann, 'bob', 'offline')->{status}, 'offline', 'then it is offline');
ok(told($there, 'bob', 'offline')->{status},
    'for those, too, who came after it had gone');

# a reload: everybody has to come back, nobody flaps

my @clients = map { client($t, "user$_") } 1 .. 8;
list($_) for @clients;

my $n = @clients;
$t->reload();

my @codes = map { ($_->expect_close())[0] } @clients, $there, $ann, $carl;
is(join(' ', @codes), join(' ', ('1012') x ($n + 3)),
    'a reload sends all of them on');

@clients = map { client($t, "user$_") } 1 .. $n;
$ann = client($t, 'ann');

my $list = list($ann);
is(scalar(grep { $_->{userId} =~ /^user\d$/ } @{$list->{reviewers}}), $n,
    'who comes back is there');

my $new = client($t, 'new');
list($new);
change($new, 'busy', 'x');
told($ann, 'new', 'busy');

ok(!grep({ $_->{type} eq 'presence-update' && $_->{status} eq 'offline'
           && $_->{userId} =~ /^user\d/ } @{$ann->skipped()}),
    'and never was offline');
ok((grep { $_->{userId} =~ /^(there|carl|late)$/ } @{$list->{reviewers}}),
    'nor are those who have not come back yet');
is(told($ann, 'carl', 'offline')->{userId}, 'carl', 'until they stay away');

is(join(' ', map { $_->faults() } $ann, $bob, $carl), '', 'without a fault');


# The updates of a user that were passed by.
sub updates {
    my ($ws, $user) = @_;

    return grep { $_->{type} eq 'presence-update' && $_->{userId} eq $user }
        @{$ws->skipped()};
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


# The next update of a user; the first with that status, if it is given.
sub told {
    my ($ws, $user, $status) = @_;

    return $ws->recv_until(sub {
        $_[0]{type} eq 'presence-update' && ($_[0]{userId} // '') eq $user
            && $_[0]{status} eq ($status // $_[0]{status});
    }) // {};
}
