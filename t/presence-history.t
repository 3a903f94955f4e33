#!/usr/bin/perl

# GET /presence/history: who was where for how long, in pages, and who may ask.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /)
    ->has_daemon('sqlite3'))->plan(54);

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
        presence  tasks.db leave=100ms;

        channel presence:updates { default on; roles staff guest noname; }

        event presence-update {
            redact  role currentFeature unless_role=staff,noname;
            redact  userId              unless_role=staff,guest;
            redact  connectionId        unless_role=staff,noname;
        }
    }

    conductor_hub none {
        zone      4m;
        history   events=100 size=64k;
        presence  other.db history=off;
    }

    conductor_hub memory {
        zone      4m;
        history   events=100 size=64k;
        presence  memory;
    }

    server {
        listen 127.0.0.1:8080;

        location / { conductor h; conductor_identity user=\$arg_user role=staff; }

        location /anyone { conductor h; conductor_auth off; }

        location /presence  { conductor_presence h; }
        location /none      { conductor_presence none; }
        location /memory    { conductor_presence memory; }
        location /health    { conductor_health h; }

        location /token {
            conductor_presence  h;
            conductor_jwt_key   HS256 "$secret";
        }
    }
}

EOF_CONF

$t->run();
wait_for(sub { (health($t))[1]{database} eq 'ok' });

# those who are there

my $ann = client($t, 'ann');
my $bob = client($t, 'bob');

change($ann, 'online', 'search');
change($ann, 'busy', 'editor & more');
$bob->close(1000);

ok(wait_for(sub {
    my %seen = map { $_->{reviewerId} => $_ } @{history($t)->{items}};
    return $seen{ann} && $seen{bob} && $seen{bob}{last} < history($t)->{to};
}), 'there is a history of who is there, and who was');

my $answer = history($t);
is($answer->{by}, 'reviewer', 'by default it is that of reviewers');
is($answer->{to} - $answer->{from} >= 24 * 3600 * 1000, 1, 'of a day');
is($answer->{to} - $answer->{from} < 24 * 3600 * 1000 + 60000, 1,
    'until now');
is($answer->{count}, 2, 'with the number of those');

my ($item) = grep { $_->{reviewerId} eq 'ann' } @{$answer->{items}};
is($item->{last}, $answer->{to}, 'who is there is so until now');
ok($item->{timeMs} <= $item->{last} - $item->{first}, 'and was before');
is_deeply([ sort keys %$item ],
    [ qw/ first last reviewerId timeMs visits / ], 'with these fields');

ok(wait_for(sub {
    join(',', map { $_->{feature} // 'none' }
        @{history($t, 'by=feature')->{items}}) eq 'none,editor & more,search';
}), 'it can be told by feature');

is(history($t, 'by=reviewer&feature=editor%20%26%20more')->{count}, 1,
    'of one feature');
is(history($t, 'by=feature&reviewer=bob')->{items}[0]{feature}, undef,
    'of one reviewer');
is(history($t, 'reviewer=eve')->{count}, 0, 'who may never have been there');
is(history($t, 'role=staff')->{count}, 2, 'of a role');
is(history($t, 'role=')->{count}, 0, 'or of none');

# numbers, of rows that are known

sql($t, 'tasks.db', q{INSERT INTO presence_history(reviewer_id, role, status,
    feature, started_at, ended_at) VALUES
    ('u1', 'dev', 'online', 'f', 1000000, 2000000),
    ('u1', 'dev', 'away', 'f', 2000000, 4000000),
    ('u2', 'dev,ops', 'online', 'f', 3000000, 4000000),
    ('u2', 'dev,ops', 'online', 'g', 5000000, 6000000)});

is_deeply(history($t, 'from=1500000&to=5500000')->{items}, [
    { reviewerId => 'u1', timeMs => 2500000, visits => 2, first => 1500000,
      last => 4000000 },
    { reviewerId => 'u2', timeMs => 1500000, visits => 2, first => 3000000,
      last => 5500000 },
], 'times are cut where the question is');

is_deeply(history($t, 'from=1500000&to=5500000&by=feature&role=ops')->{items},
    [
    { feature => 'f', timeMs => 1000000, visits => 1, first => 3000000,
      last => 4000000 },
    { feature => 'g', timeMs => 500000, visits => 1, first => 5000000,
      last => 5500000 },
], 'a role may be one of several');

# pages

sql($t, 'tasks.db', q{WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL
    SELECT i + 1 FROM n WHERE i < 799) INSERT INTO presence_history(reviewer_id,
    feature, started_at, ended_at) SELECT 'page-' || i, 'p', 7000000, 8000000
    FROM n});

for my $limit (100, 1000) {
    my (%seen, $cursor, $pages);

    do {
        $answer = history($t, "from=7000000&to=8000000&limit=$limit"
            . ($cursor ? "&cursor=$cursor" : ''));
        $seen{$_->{reviewerId}}++ for @{$answer->{items}};
        $cursor = $answer->{cursor};
    } while ($cursor && ++$pages < 100);

    is(keys %seen, 700, "pages of $limit have everybody");
    is(scalar(grep { $_ > 1 } values %seen), 0, 'once');
}

# what is wrong

for (
    [ 'from=x', 'from' ], [ 'from=-1', 'from' ], [ 'from=2&to=1', 'from' ],
    [ 'to=99999999999999999999', 'to' ], [ 'to=', 'to' ],
    [ 'by=role', 'by' ], [ 'reviewer=', 'reviewer' ],
    [ 'reviewer=' . 'x' x 256, 'reviewer' ],
    [ 'feature=' . '%41' x 2000, 'feature' ], [ 'limit=0', 'limit' ],
    [ 'limit=1001', 'limit' ], [ 'cursor=2', 'cursor' ],
) {
    my ($query, $field) = @$_;
    my ($status, $body) = api($t, 'GET', "/presence/history?$query");
    is("$status $body->{field}", "400 $field",
        substr($query, 0, 20) . ' is refused by name');
}

is((api($t, 'POST', '/presence/history'))[0], 405, 'it is read, not written');
is((api($t, 'GET', '/none/history'))[0], 404, 'history may be off');
is((api($t, 'GET', '/memory/history'))[0], 404, 'or have no place');

# who asks

is(asked($t, 'staff', ''), 200, 'a role that sees all may ask all');
is(asked($t, 'guest', 'by=reviewer'), 200, 'another may ask for reviewers');
is(asked($t, 'guest', 'by=feature'), '403 by', 'but not for features');
is(asked($t, 'guest', 'feature=search'), '403 feature', 'nor by one');
is(asked($t, 'guest', 'role=staff'), '403 role', 'nor by a role');
my $nobody = ws_connect($t, '/anyone');
my $id = $nobody->recv_until('welcome')->{connectionId};

ok(wait_for(sub { index(reviewers($t, 'staff'), $id) >= 0 }),
    'who has no user goes by the connection');
unlike(reviewers($t, 'guest'), qr/conn_/,
    'which is not told where it is hidden');
is(asked($t, 'guest', "by=reviewer&reviewer=$id"), '403 reviewer',
    'nor asked for');
is(asked($t, 'noname', 'by=reviewer'), '403 by', 'another not for who it was');
is(asked($t, 'noname', 'by=feature&reviewer=ann'), '403 reviewer',
    'nor for one');
is(asked($t, 'noname', 'by=feature'), 200, 'but for the features');
is(asked($t, 'other', ''), 403, 'and another for nothing');
is((api($t, 'GET', '/token/history'))[0], 401, 'without a token, neither');

# as printed in the troubleshooting of what came before

like(join("\n", @{sql($t, 'tasks.db', 'SELECT * FROM reviewer_presence;')}),
    qr/^ann\|busy\|editor & more\|\d{10}\|\d{10}\|\d{10}\|/m,
    'the table can be read while the server runs');

sql($t, 'tasks.db', "DELETE FROM reviewer_presence WHERE expires_at"
    . " < strftime('%s', 'now');");
is(sql($t, 'tasks.db', 'SELECT count(*) FROM reviewer_presence')->[0], 3,
    'and a cleanup takes nobody whose time has not come');


# as printed in the documentation

for my $query (documented()) {
    my ($about) = $query =~ /SELECT (.{30})/s;

    ok(sql($t, 'tasks.db', $query), 'SQL of the page on presence works: '
        . ($about =~ s/\s+/ /gr));
}


sub client {
    my ($nginx, $user) = @_;

    my $ws = ws_connect($nginx, "/?user=$user");
    $ws->recv_until('welcome');
    return $ws;
}


sub change {
    my ($ws, $status, $feature) = @_;

    $ws->command({ type => 'presence-update', status => $status,
        currentFeature => $feature });

    # each is to be a row of its own
    wait_for(sub {
        grep { ($_->{feature} // '') eq $feature }
            @{history($t, 'by=feature')->{items} || []};
    });
}


sub history {
    my ($nginx, $query) = @_;

    return (api($nginx, 'GET', '/presence/history?' . ($query // '')))[1];
}


sub reviewers {
    my ($nginx, $role) = @_;

    my (undef, $body) = api($nginx, 'GET', '/token/history?by=reviewer',
        token => jwt({ sub => 'eve', role => $role }, key => $secret));

    return join ' ', map { $_->{reviewerId} } @{$body->{items}};
}


sub asked {
    my ($nginx, $role, $query) = @_;

    my ($status, $body) = api($nginx, 'GET', "/token/history?$query",
        token => jwt({ sub => 'eve', role => $role }, key => $secret));

    return ref $body && $body->{field} ? "$status $body->{field}" : $status;
}


# The questions in SQL of the page on presence.
sub documented {
    open my $page, '<', "$FindBin::Bin/../docs/presence.md"
        or die "docs/presence.md: $!\n";
    local $/;
    my ($section) = <$page> =~ /^### Questions in SQL$(.*?)^## /ms;

    return $section =~ /^```sql\n(.*?)^```$/msg;
}
