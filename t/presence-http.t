#!/usr/bin/perl

# GET /presence: filters, pages, and who may ask.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(41);

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
        name      node-1;
        history   events=100 size=64k;
        presence  memory leave=100ms tick=10ms;

        channel presence:updates { default on; roles staff guest; }

        event presence-update {
            redact  userId role currentFeature unless_role=staff;
            redact  status unless_role=staff,guest;
        }
    }

    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location / { conductor h; conductor_jwt_key HS256 "$secret"; }

        location /presence { conductor_presence h; }

        location /token {
            conductor_presence  h;
            conductor_jwt_key   HS256 "$secret";
            conductor_origins   https://app.example.com;
        }
    }
}

EOF_CONF

$t->run();

my ($status, $body) = get($t, '/presence');
is($status, 200, 'it is asked over HTTP');
is_deeply($body, { reviewers => [], count => 0, total => 0 },
    'nobody is there');

my @who = ([ 'ann', 'staff' ], [ 'bob', 'guest' ], [ 'carl', 'staff,lead' ],
           [ 'dora', 'other' ]);
my %ws;

for (@who) {
    my ($user, $roles) = @$_;

    $ws{$user} = ws_connect($t, '/', token => token($user, $roles));
    $ws{$user}->recv_until('welcome');
}

change('ann', 'busy', 'search');
change('bob', 'away', 'search & "more"');

(undef, $body) = get($t, '/presence');
is(users($body), 'ann bob carl dora', 'all are there');
is("$body->{count} $body->{total}", '4 4', 'with their number');
is($body->{cursor}, undef, 'on one page');

my ($ann) = grep { $_->{userId} eq 'ann' } @{$body->{reviewers}};
ok((grep { /^\d{13}$/ } delete @$ann{qw/ connectedAt lastSeen /}) == 2,
    'times are in milliseconds');
is_deeply($ann, { reviewerId => 'ann', userId => 'ann', role => 'staff',
    status => 'busy', currentFeature => 'search', connections => 1,
    server => 'node-1' }, 'and each has all its fields');

# filters

is(asked($t, 'feature=search'), 'ann', 'by feature');
is(asked($t, 'feature=search%20%26%20%22more%22'), 'bob',
    'a feature may be escaped');
is(asked($t, 'feature=none'), '', 'or one that nobody has');
is(asked($t, 'role=staff'), 'ann carl', 'by role');
is(asked($t, 'role=lead'), 'carl', 'which may be one of several');
is(asked($t, 'role=lea'), '', 'but has to be a whole one');
is(asked($t, 'status=busy'), 'ann', 'by status');
is(asked($t, 'status=busy,away'), 'ann bob', 'or several');
is(asked($t, 'role=staff&status=online'), 'carl', 'by both');

# those who have left

delete($ws{dora})->close(1000);
ok(wait_for(sub { asked($t, '') eq 'ann bob carl' }), 'who has left is not there');
is(asked($t, 'status=offline'), 'dora', 'unless asked for');
is(asked($t, 'status=all'), 'ann bob carl dora', 'as one of all');
(undef, $body) = get($t, '/presence?status=offline');
is("$body->{total} $body->{reviewers}[0]{status} "
    . $body->{reviewers}[0]{connections}, '1 offline 0', 'without a connection');

# pages

my (@pages, $cursor);

do {
    (undef, $body) = get($t, '/presence?status=all&limit=3'
        . ($cursor ? "&cursor=$cursor" : ''));
    push @pages, $body;
    $cursor = $body->{cursor};
} while ($cursor && @pages < 10);

is(join(' ', map { $_->{count} } @pages), '3 1', 'pages have a limit');
is(join(' ', sort map { $_->{userId} } map { @{$_->{reviewers}} } @pages),
    'ann bob carl dora', 'and together have everybody once');

# what is wrong

for (
    [ 'limit=0', 'limit' ], [ 'limit=10001', 'limit' ], [ 'limit=x', 'limit' ],
    [ 'limit=', 'limit' ], [ 'status=gone', 'status' ],
    [ 'status=busy,', 'status' ], [ 'cursor=x', 'cursor' ],
    [ 'cursor=' . '0' x 24, 'cursor' ], [ 'feature=' . 'x' x 1025, 'feature' ],
) {
    my ($query, $field) = @$_;

    ($status, $body) = get($t, "/presence?$query");
    is("$status " . ($body->{field} // ''), "400 $field",
        substr($query, 0, 20) . ' is refused by name');
}

($status, $body) = api($t, 'POST', '/presence');
is($status, 405, 'it is read, not written');

# who asks

is((get($t, '/token'))[0], 401, 'where there are tokens one is needed');
is(users((get($t, '/token', 'eve', 'staff'))[1]), 'ann bob carl',
    'one role sees who is there');
(undef, $body) = get($t, '/token', 'eve', 'guest');
is(join(' ', sort keys %{$body->{reviewers}[0]}), 'connectedAt connections '
    . 'lastSeen reviewerId server status', 'another sees less');
is(scalar(grep { $_->{reviewerId} =~ /^r_/ } @{$body->{reviewers}}), 3,
    'and not who it is by the id');
is((get($t, '/token', 'eve', 'other'))[0], 403, 'and another nothing');

($status, $body) = get($t, '/token?feature=search', 'eve', 'guest');
is("$status $body->{field}", '403 feature',
    'what is hidden cannot be found by asking for it');
is((get($t, '/token?status=away', 'eve', 'guest'))[1]{count}, 1,
    'what is seen can');

my (undef, undef, $headers) = api($t, 'GET', '/token',
    token => token('eve', 'staff'),
    headers => [ 'Origin: https://app.example.com' ]);
like($headers, qr!^Access-Control-Allow-Origin: https://app\.example\.com!mi,
    'a page of an allowed origin may read it');

my ($good, $said) = nginx_t($t, <<'EOF_CONF');
%%TEST_GLOBALS%%
events { }
http {
    conductor_hub h { zone 8m; history events=100 size=64k; }
    server { location /presence { conductor_presence h; } }
}
EOF_CONF
ok(!$good && $said =~ /conductor_presence.*no "presence"/,
    'a hub without presence has none to ask for') or diag($said);


sub token {
    my ($user, $roles) = @_;

    return jwt({ sub => $user, role => [ split /,/, $roles ] },
        key => $secret);
}


# GETs a path, with a token if there is a user.
sub get {
    my ($nginx, $path, $user, $role) = @_;

    return api($nginx, 'GET', $path,
        $user ? (token => token($user, $role)) : ());
}


sub asked {
    my ($nginx, $query) = @_;

    return users((get($nginx, "/presence?$query"))[1]);
}


sub users {
    return join ' ', sort map { $_->{userId} // '?' } @{$_[0]{reviewers}};
}


sub change {
    my ($user, $state, $feature) = @_;

    $ws{$user}->command({ type => 'presence-update', status => $state,
        currentFeature => $feature });
}
