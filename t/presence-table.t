#!/usr/bin/perl

# The rows of the table: live ones are renewed, offline ones stay for their
# time and go, whoever has written what.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /)
    ->has_daemon('sqlite3'))->plan(19);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      4m;
        history   events=100 size=64k;
        presence  tasks.db ttl=4s sweep=1s leave=100ms;
    }

    conductor_limit_conn  off;
    conductor_ping        200ms timeout=20s;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor           h;
            conductor_identity  user=$arg_user;
        }

        location /presence { conductor_presence h; }
    }
}

EOF_CONF

$t->run();

my $ann = client($t, 'ann');
my $bob = client($t, 'bob');

ok(wait_for(sub { live($t) eq 'ann bob' }), 'who is there has a row');

# what it is made of

is(join(' ', @{sql($t, 'tasks.db', 'SELECT name, type, pk FROM'
    . " pragma_table_info('reviewer_presence')")}[0 .. 5]),
    'reviewer_id|TEXT|1 status|TEXT|0 current_feature|TEXT|0'
    . ' connected_at|INTEGER|0 updated_at|INTEGER|0 expires_at|INTEGER|0',
    'the columns are those that are documented');
like(join(' ', @{sql($t, 'tasks.db', 'EXPLAIN QUERY PLAN DELETE FROM'
    . " reviewer_presence WHERE expires_at < strftime('%s', 'now')")}),
    qr/USING INDEX \w+ \(expires_at</, 'what has expired is found by an index');

# offline

my $gone = time();
$bob->close();
ok(wait_for(sub { row($t, 'bob')->{status} eq 'offline' }), 'one leaves');

my $bobs = row($t, 'bob');
ok($bobs->{updated} >= $gone && $bobs->{updated} <= time(),
    'and the row says when');
is($bobs->{expires} - $bobs->{updated}, 4, 'it stays for the ttl');
is(asked($t, 'status=offline'), 'bob', 'over HTTP, too');
ok(wait_for(sub { !defined row($t, 'bob')->{status} }), 'and then is deleted');
cmp_ok(time(), '>=', $bobs->{expires}, 'not before it has expired');
ok(wait_for(sub { asked($t, 'status=offline') eq '' }),
    'and forgotten over HTTP');

# live rows

my $row = row($t, 'ann');
my $seen = seen($t, 'ann');

ok(wait_for(sub {
    $ann->sync();
    row($t, 'ann')->{updated} == $row->{updated}
        && row($t, 'ann')->{expires} >= $row->{expires} + 5;
}), 'who says nothing but pongs is renewed');
cmp_ok(row($t, 'ann')->{expires}, '>', time(), 'beyond now');
is(row($t, 'ann')->{connected}, $row->{connected},
    'and there as long as before');
ok(seen($t, 'ann') > $seen, 'it was seen since');

$seen = seen($t, 'ann');
ok(wait_for(sub { $ann->recv_json(0.1); seen($t, 'ann') > $seen }),
    'also by its pongs alone');

# what others write

isnt(sql($t, 'tasks.db', 'DELETE FROM reviewer_presence'
    . " WHERE expires_at < strftime('%s', 'now')"), undef,
    'what has expired may be deleted by hand');
is(live($t), 'ann', 'which leaves those who are there');

sql($t, 'tasks.db', 'DELETE FROM reviewer_presence; INSERT INTO'
    . ' reviewer_presence (reviewer_id, status, expires_at)'
    . " VALUES ('ghost', 'online', 9999999999)");
ok(wait_for(sub { live($t) eq 'ann' }, 5), 'a ghost is chased away');
is(asked($t, ''), 'ann', 'and was never told of');


sub client {
    my ($t, $user) = @_;

    my $ws = ws_connect($t, "/?user=$user");
    $ws->recv_until('welcome');
    return $ws;
}


# The users of the rows that are not offline.
sub live {
    my ($t) = @_;

    return join ' ', @{sql($t, 'tasks.db', 'SELECT reviewer_id FROM'
        . " reviewer_presence WHERE status <> 'offline' ORDER BY 1") || []};
}


sub row {
    my ($t, $user) = @_;
    my %row;

    @row{qw/ status connected updated expires /} = split /\|/, (sql($t,
        'tasks.db', 'SELECT status, connected_at, updated_at, expires_at FROM'
        . " reviewer_presence WHERE reviewer_id = '$user'") || [])->[0] // '';

    return \%row;
}


sub asked {
    my ($t, $query) = @_;
    my (undef, $body) = api($t, 'GET', "/presence?$query");

    return join ' ', sort map { $_->{userId} } @{$body->{reviewers}};
}


sub seen {
    my ($t, $user) = @_;
    my (undef, $body) = api($t, 'GET', '/presence');

    return (map { $_->{lastSeen} } grep { $_->{userId} eq $user }
        @{$body->{reviewers}})[0];
}
