#!/usr/bin/perl

# New rules of presence hold for the clients of old workers.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(10);

my $secret = 'a secret of at least 32 bytes, better random';

write_conf($t, '');
$t->run();

my $ann = client($t, 'ann', 'staff');
my $bob = client($t, 'bob', 'guest');
list($_) for $ann, $bob;

change($ann, 'busy', 'search');
is(told($bob, 'ann', 'busy')->{currentFeature}, 'search',
    'by the old rules a client sees what another does');

# the clients stay where they are: their workers take long to drain

write_conf($t, 'redact currentFeature unless_role=staff;');
ok(reload_workers($t), 'a reload makes new workers');

my $list = list($bob);
is(join(' ', sort map { $_->{userId} } @{$list->{reviewers}}), 'ann bob',
    'a client of an old one gets a new list');
is(scalar(grep { exists $_->{currentFeature} } @{$list->{reviewers}}), 0,
    'by the new rules');

my $new = client($t, 'carl', 'guest');
list($new);
change($new, 'away', 'login');
ok(!exists told($bob, 'carl', 'away')->{currentFeature},
    'and so are updates, of clients of new workers, too');
is(told($ann, 'carl', 'away')->{currentFeature}, 'login',
    'for whoever may see it nothing has changed');
is(scalar(grep { $_->{type} eq 'presence-list' } @{$ann->skipped()}), 0,
    'and there is no new list');

# the channel is taken away

write_conf($t, 'redact currentFeature unless_role=staff;', 'roles staff;');
reload_workers($t);

my $last = client($t, 'dora', 'staff');
list($last);
change($last, 'busy', 'end');
is(told($ann, 'dora', 'busy')->{currentFeature}, 'end',
    'a channel gets a role');
is(scalar(grep { /"end"/ } @{$bob->sync()}), 0,
    'who does not have it is told no more');

is(join(' ', map { $_->faults() } $ann, $bob), '', 'without a fault');


sub write_conf {
    my ($nginx, $event, $roles) = @_;

    $roles //= '';

    $nginx->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

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
        drain     10m;

        channel presence:updates { default on; $roles }

        event presence-update { $event }
    }

    conductor_jwt_key     HS256 "$secret";
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location / { conductor h; }
    }
}

EOF_CONF

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
