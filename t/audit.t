#!/usr/bin/perl

# The audit log: a line of JSON for each thing that somebody did or may not do,
# with who, from where and why, and nothing that is secret.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use JSON::PP;

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $secret = 'the secret, which is 32 octets or longer';

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(54);

$t->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      4m;
        name      one;
        history   events=100 size=64k;
        audit_log audit.log;
        channel   c { default on; }
        channel   s { roles admin; }
        channel   admin:notifications { roles admin; }
        event     e { channel c; redact secret; publish_roles system; }
        event     f { channel c; }
    }

    conductor_hub some {
        zone      2m;
        history   size=64k;
        audit_log some.log events=refuse,disconnect;
    }

    conductor_hub none { zone 2m; history size=64k; audit_log off; }

    conductor_jwt_key HS256 "$secret";
    conductor_token   \$arg_token;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /nobody  { conductor h; conductor_auth off; }
        location /admins  { conductor h; conductor_require_role admin; }
        location /few     { conductor h; conductor_limit_messages 2 per=1h; }
        location /one     { conductor h; conductor_limit_conn 1 key=\$arg_x; }
        location /close   { conductor h; conductor_refuse close; }
        location /some    { conductor some; }
        location /none    { conductor none; }
        location /publish { conductor_publish h; }
        location /open    { conductor_publish h; conductor_auth off; }

        location /admin {
            conductor_admin        h;
            conductor_require_role admin;
        }
    }
}

EOF_CONF

$t->run();

my ($read, @lines) = (0);

# a connection, from its beginning to its end

my $ws = as($t, 'ann', 'writer', exp => time() + 1000);
my $welcome = $ws->recv_text();
my $id = JSON::PP->new->decode($welcome)->{connectionId};

my $in = line('authenticate');
is_deeply([ @$in{qw/ connection user role address result method /} ],
    [ $id, 'ann', 'writer', '127.0.0.1', 'ok', 'token' ],
    'who a client is');
cmp_ok(abs($in->{expires} / 1000 - time() - 1000), '<', 30, 'and for how long');
like($in->{time}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'the time');
is($in->{hub} . ' ' . $in->{server}, 'h one', 'the hub and the server');

$in = line('connect');
is_deeply([ @$in{qw/ connection user role address protocol /} ],
    [ $id, 'ann', 'writer', '127.0.0.1', 'native' ], 'that it is let in');

$ws->send_json({ type => 'ping', id => 1 });
my $pong = $ws->recv_text();
publish($t, [ { type => 'e', n => 1 }, { type => 'f', n => 'x' x 200 } ],
        path => '/open');
my @events = map { $ws->recv_text() } 1 .. 2;
$ws->close(1000);

my $out = line('disconnect');
is_deeply([ @$out{qw/ connection user role address reason code /} ],
    [ $id, 'ann', 'writer', '127.0.0.1', 'normal', 1000 ],
    'that it has ended, and why');
like($out->{durationMs}, qr/^\d+$/, 'after how long');
is("$out->{messagesIn} $out->{messagesOut}", '1 4', 'after how many messages');
is($out->{bytesIn}, 6 + length('{"id":1,"type":"ping"}') + 6 + 2,
    'and bytes, in');

my $sent = 4;   # of the close frame
$sent += length($_) + (length($_) < 126 ? 2 : 4) for $welcome, $pong, @events;
is($out->{bytesOut}, $sent, 'and out');

# who publishes

my $done = line('publish');
is_deeply([ @$done{qw/ connection user address events /}, @{$done->{types}} ],
    [ undef, undef, '127.0.0.1', 2, 'e', 'f' ], 'what was published');
is($done->{eventId}, JSON::PP->new->decode($events[0])->{eventId},
    'is known by its id');

$ws = as($t, 'sys', 'system');
my $sys = $ws->recv_until('welcome')->{connectionId};
$ws->command({ type => 'publish', event => { type => 'e', secret => 'HIDE' } });
$done = line('publish');
is_deeply([ @$done{qw/ connection user events /} ], [ $sys, 'sys', 1 ],
    'a client publishes');

publish($t, { type => 'e', secret => 'HIDE' }, token => token('sys', 'system'));
is(line('publish')->{user}, 'sys', 'and a program with a token');

# what one may not

$ws->command({ type => 'publish', event => { type => 'f' } });
my $no = line('deny');
is_deeply([ @$no{qw/ connection user what reason /} ],
    [ $sys, 'sys', 'message', 'forbidden' ], 'a client may not publish that');
$ws->command({ type => 'subscribe', channel => 's' });
like(line('deny')->{detail}, qr/channel is not for your role/, 'nor hear it');

publish($t, { type => 'f' }, token => token('sys', 'system'));
$no = line('deny');
is("$no->{what} $no->{reason} $no->{status} $no->{user}",
    'publish forbidden 403 sys', 'nor may a program');
publish($t, { type => 'e' });
$no = line('deny');
is("$no->{what} $no->{reason} $no->{status}", 'publish no token 401',
    'who has no token least of all');
publish($t, { type => 'e' }, path => '/open',
        headers => [ 'Origin: http://evil' ]);
$no = line('deny');
is("$no->{what} $no->{reason} $no->{status}", 'publish bad_origin 403',
    'or who comes from the page of somebody else');
api($t, 'POST', '/admin/drain', token => token('bob', 'writer'));
$no = line('deny');
is("$no->{what} $no->{reason} $no->{status} $no->{user}",
    'admin bad_role 403 bob', 'nor may a writer do what an administrator does');

my $few = as($t, 'ann', 'writer', path => '/few');
$few->command({ type => 'ping' }) for 1 .. 5;
$no = line('deny');
is("$no->{reason} $no->{user}", 'rate_limited ann', 'or anyone too much');
$few->close(1000);
line('disconnect', sub { ($_[0]{user} // '') eq 'ann' });
is(scalar(grep { $_->{event} eq 'deny' && $_->{reason} eq 'rate_limited' }
          rest()), 1, 'which is said once');

my $many = as($t, 'pat', 'writer');
$many->recv_until('welcome');
$many->send_json({ type => 'publish', event => { type => 'f' } }) for 1 .. 15;
$many->sync();
$many->close(1000);
line('disconnect', sub { ($_[0]{user} // '') eq 'pat' });
is(scalar(grep { $_->{event} eq 'deny' && $_->{user}
                 && $_->{user} eq 'pat' } rest()), 1,
    'nor does a client fill the log with what it may not do');

# tokens

is($ws->command({ type => 'auth', token => token('sys', 'system') })->{type},
    'ack', 'a new token');
is(line('authenticate')->{result}, 'ok', 'is told of');
$ws->command({ type => 'auth', token => token('eve', 'system') });
my $auth = line('authenticate', sub { $_[0]{result} eq 'failed' });
is_deeply([ @$auth{qw/ user result reason /} ], [ qw/ sys failed forbidden / ],
    'so is that of another user');
$ws->command({ type => 'auth', token => token('sys', 'system', exp => 1) });
is(line('authenticate', sub { $_[0]{result} eq 'failed' })->{reason},
    'token_expired', 'and one that is too old');

# who is refused

is_deeply([ refused() ],
    [ 'bad_token', 'no token', 401, undef, '127.0.0.1' ], 'no token');
is_deeply([ refused(token => token('ann', 'x', exp => 1)) ],
    [ 'token_expired', 'token expired', 401, undef, '127.0.0.1' ], 'an old one');
is_deeply([ refused(path => '/admins', token => token('bob', 'writer')) ],
    [ 'bad_role', undef, 403, 'bob', '127.0.0.1' ], 'a role');
is((refused(version => 7))[0], 'bad_version', 'no handshake');
is((refused(token => token('ann', 'x'), origin => 'http://evil'))[0],
    'bad_origin', 'a page of somebody else');

my @one = map { as($t, 'dan', 'x', path => '/one?x=1') } 1 .. 2;
is(line('refuse')->{reason}, 'address_limit', 'too many');
ws_connect($t, '/close', origin => 'http://localhost')->expect_close();
is(line('refuse')->{status}, 401, 'and who is told so by a close code');

# administrators

my $admin = token('root', 'admin');

api($t, 'DELETE', "/admin/connections/$sys", token => $admin);
my $did = line('admin');
is_deeply([ @$did{qw/ action target user address /} ],
    [ 'disconnect', $sys, 'root', '127.0.0.1' ], 'an administrator disconnects');
is(line('disconnect', sub { $_[0]{user} eq 'sys' })->{connection}, $sys,
    'whose end is told as well');

my $until = (time() + 3600) * 1000;

$ws = as($t, 'eve', 'writer');
api($t, 'POST', '/admin/revocations', token => $admin,
    body => qq({"user":"eve","until":$until}));
$did = line('revoke');
is_deeply([ @$did{qw/ action targetUser until user /} ],
    [ 'revoke', 'eve', $until, 'root' ], 'revokes a user');
is(line('disconnect', sub { $_[0]{user} eq 'eve' })->{reason}, 'revoked',
    'who has to go');
is((refused(token => token('eve', 'writer')))[0], 'revoked',
    'and cannot come back');
api($t, 'POST', '/admin/revocations', token => $admin,
    body => qq({"jti":"a\\u2028b","until":$until}));
is(line('revoke')->{targetJti}, "a\x{2028}b", 'revokes a token');

api($t, 'POST', '/admin/notifications', token => $admin,
    body => '{"message":"HIDE"}');
$did = line('admin');
like("$did->{action} $did->{eventId}", qr/^notify \S+$/, 'notifies');
api($t, 'POST', '/admin/drain', token => $admin);
is(line('admin')->{action}, 'drain', 'drains');
api($t, 'DELETE', '/admin/drain', token => $admin);
is(line('admin')->{target}, 'one', 'and takes it back');

# those who choose their names

$ws = ws_connect($t, '/', token => jwt({ sub => "l\x{2028}\x{202e}\"", role =>
    "\x{fffd}\\", exp => time() + 100 }, key => $secret));
$in = line('connect', sub { $_[0]{user} && $_[0]{user} =~ /^l/ });
is($in->{user}, "l\x{2028}\x{202e}\"", 'a name that would break a line');
is($in->{role}, "\x{fffd}\\", 'or a string does not');
my $log = $t->read_file('audit.log');
unlike($log, qr/[\x00-\x09\x0b-\x1f\x7f]|\xe2\x80[\xa8-\xae]|\xc2[\x80-\x9f]/,
    'nothing in the log is not what it looks like');

# other hubs

$ws = ws_connect($t, '/some', token => token('ann', 'x'));
ws_connect($t, '/some');
$ws->close(1000);
ok(wait_for(sub {
       $t->read_file('some.log') =~ /"event":"disconnect"/
   }), 'another hub has another log');
is(join(' ', $t->read_file('some.log') =~ /"event":"(\w+)"/g),
    'refuse disconnect', 'of what it was told to keep');
is($t->read_file('some.log') =~ /"hub":"(?!some)/ ? 1 : 0, 0, 'and of itself');

# many at once, each of which can be counted

$many = many_clients($t, 200, path => '/nobody', per_address => 10);
$many->wait_each(1, 'welcome');
$_->reset() for $many->clients();
ok(wait_for(sub {
       my %end = map { $_->{connection} => 1 }
                 grep { $_->{event} eq 'disconnect' } rest();
       200 == grep { $_->{event} eq 'connect' && !$_->{user}
                     && $end{$_->{connection}}
                     && $_->{address} ne '127.0.0.1' } @lines;
   }), 'of many each has its beginning and its end');

$t->stop();
rest();

my %count;
$count{$_->{event}}++ for grep { defined $_->{connection} } @lines;
is($count{connect}, $count{disconnect}, 'a stop ends the rest');

# what is never there

$log = $t->read_file('audit.log');
is(index($log, 'HIDE'), -1, 'no text of an event');
unlike($log, qr/eyJ[\w-]{10}/, 'no token');
is(scalar(grep { !defined eval { decode_json($_) } } split /\n/, $log), 0,
    'each line is JSON');


# A client with a token.
sub as {
    my ($nginx, $user, $role, %opt) = @_;
    my $path = delete $opt{path} // '/';
    my @exp = exists $opt{exp} ? (exp => delete $opt{exp}) : ();

    return ws_connect($nginx, $path, token => token($user, $role, @exp), %opt);
}


sub token {
    my ($user, $role, %more) = @_;
    return jwt({ sub => $user, role => $role, %more }, key => $secret);
}


# A handshake that is refused, and what the log says: (reason, detail, status,
# user, address).
sub refused {
    my (%opt) = @_;

    ws_connect($t, delete $opt{path} // '/', %opt);
    return @{line('refuse')}{qw/ reason detail status user address /};
}


# The lines that have come since, all of them whole.
sub rest {
    my $new = substr $t->read_file('audit.log'), $read;

    $read += length $new;
    push @lines, map { decode_json($_) } split /\n/, $new;
    return @lines;
}


# The next line of a kind that was not given yet, waited for.
sub line {
    my ($kind, $which) = @_;

    my $found = wait_for(sub {
        rest();
        return (grep { !$_->{given} && $_->{event} eq $kind
                       && (!$which || $which->($_)) } @lines)[0];
    }) or return {};

    $found->{given} = 1;
    return $found;
}
