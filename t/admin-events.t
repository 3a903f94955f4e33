#!/usr/bin/perl

# The event log, as an administrator reads it: the newest, what came after an
# event, of one type, and not more of it than his role may see.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(28);

my $secret = 'a secret of at least thirty-two bytes';

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 4m;
        history events=40 size=256k;
        channel c { default on; }
        channel admin:notifications { roles admin; }
        event a { channel c; redact secret; redact price unless_role=admin; }
        event b { channel c; }
        event hidden { channel c; roles admin; }
    }

    server {
        listen 127.0.0.1:8080;

        location /publish { conductor_publish h; }
        location /admin   { conductor_admin h; }

        location /token {
            conductor_admin   h;
            conductor_jwt_key HS256 "a secret of at least thirty-two bytes";
        }
    }
}

EOF_CONF

$t->run();

is_deeply((events())[1], { events => [], count => 0, more => \0 },
    'a log that is empty');

my $first = (publish($t, { type => 'a', n => 1, secret => 'x',
                           price => 5 }))[1]{eventIds}[0];
my $last = (publish($t, [ map { { type => 'b', n => $_ } } 2 .. 5 ]))[1]
    {eventIds}[3];

my ($code, $said) = events();
my ($a, @b) = @{$said->{events}};

is($code, 200, 'the log');
is($a->{type}, 'a', 'has the type of an event');
is($a->{eventId}, $first, 'its id');
ok($a->{timestamp} > (time() - 60) * 1000, 'its time');
is($a->{price}, 5, 'and its fields');
ok(!exists $a->{secret}, 'but not what nobody is to see');
is_deeply([ map { $_->{n} } @b ], [ 2 .. 5 ], 'all in their order');
is($said->{lastEventId}, $last, 'up to the last one');
is_deeply($said->{more}, \0, 'which is all');

# Since, limit, type.

is(numbers("since=$first"), '2 3 4 5', 'what came after an event');
is(numbers("since=$last"), '', 'nothing after the last one');
is(numbers('limit=2'), '4 5', 'the newest');

($code, $said) = events("since=$first&limit=2");
is(join(' ', map { $_->{n} } @{$said->{events}}), '2 3', 'or the next');
ok(${$said->{more}}, 'of more');
is(numbers("since=$said->{lastEventId}&limit=2"), '4 5',
    'which can be gone on with');
is(numbers('type=a'), '1', 'of one type');
is(numbers('type=x'), '', 'even of none');
is(numbers('type=a&limit=1'), '1', 'the newest of one type');

is((events("since=$_"))[0], 400, "not since \"$_\"") for 'x', '1-';
is((events('limit=1001'))[0], 400, 'not too many');

# Roles.

publish($t, { type => 'hidden', n => 6 });
api($t, 'POST', '/admin/notifications',
    body => '{"message":"m","user":"ann"}');

is(numbers('limit=2'), '6 -', 'whoever is let in sees all');

my %see = map { my $role = $_; $role => [ map { $_->{type} }
    @{(api($t, 'GET', '/token/events', token => jwt(
        { sub => 'x', role => $role, exp => time() + 600 },
        key => $secret)))[1]{events}} ] } qw/ admin other /;

is_deeply($see{other}, [ 'a', ('b') x 4 ], 'a role sees what it may');
is_deeply($see{admin}, [ 'a', ('b') x 4, 'hidden' ],
    'an administrator what he may');
ok(!exists ((api($t, 'GET', '/token/events', token => jwt(
        { sub => 'x', role => 'other', exp => time() + 600 },
        key => $secret)))[1]{events}[0]{price}), 'without hidden fields');

# What is gone.

publish($t, [ map { { type => 'b', n => $_ } } 1 .. 8 ]) for 1 .. 10;

($code, $said) = events("since=$first");
is($said->{reason}, 'expired', 'events that are gone are said to be');
is((events('since=1-1'))[1]{recovered} ? 1 : 0, 0,
    'and ones that never were');


###############################################################################

sub events {
    my ($query) = @_;

    my ($code, $said) = api($t, 'GET', '/admin/events'
                                       . ($query ? "?$query" : ''));

    $said->{more} = $said->{more} ? \1 : \0 if ref $said && $said->{events};
    return ($code, $said);
}


sub numbers {
    my (undef, $said) = events(@_);

    return join ' ', map { $_->{n} // '-' } @{$said->{events} || []};
}
