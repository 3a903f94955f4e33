#!/usr/bin/perl

# Filters of presence: lists and changes of those who pass.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(16);

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

my %ws = map { $_ => client($t, $_, "role$_") } qw/ ann bob carl /;
list($_) for values %ws;

change($ws{bob}, 'busy', 'search');
change($ws{carl}, 'online', 'login');

my $picky = client($t, 'picky');
is(list($picky)->{total}, 4, 'without a filter all are listed');

is(subscribe($picky, { currentFeature => 'search' }), 'ack', 'one filters');
is(users(list($picky)), 'bob', 'and gets a list of those who pass');

change($ws{ann}, 'away', 'billing');
change($ws{ann}, 'away', 'search');
is($picky->recv_until('presence-update')->{currentFeature}, 'search',
    'then those who come to pass');

my $late = client($t, 'late');
list($late);
change($ws{bob}, 'online', 'search');
is($picky->recv_until('presence-update')->{userId}, 'bob',
    'others are not told of');

is(subscribe($picky, { status => [ 'away', 'busy' ] }), 'ack',
    'another filter');
is(users(list($picky)), 'ann', 'gives another list');

change($ws{ann}, 'online', 'search');
is($picky->recv_until('presence-update')->{status}, 'online',
    'who passes no longer is told of once more');
change($ws{ann}, 'online', 'billing');
change($ws{bob}, 'busy', 'search');
is($picky->recv_until('presence-update')->{userId}, 'bob',
    'and not again');

is(subscribe($picky, { role => 'rolebob', currentFeature => 'search' }),
    'ack', 'two fields');
my $list = list($picky);
is(users($list), 'bob', 'are both wanted');
is("$list->{total} $list->{truncated}", '1 0', 'the total is of those');

is(subscribe($picky, { connections => 2 }), 'ack',
    'a field that is in no update');
is(users(list($picky)), '', 'may be filtered, too');

my $again = client($t, 'ann', 'roleann');
list($again);
is($picky->recv_until('presence-update')->{userId}, 'ann',
    'as a reviewer comes to have it');

$ws{carl}->close(1000);
is(told($picky, 'carl', 'offline')->{userId}, 'carl',
    'who leaves is told of in any case');


sub subscribe {
    my ($client, $filter) = @_;

    return $client->command({ type => 'subscribe',
        channel => 'presence:updates', filter => $filter })->{type};
}


sub users { join ' ', map { $_->{userId} } @{$_[0]{reviewers}} }


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
