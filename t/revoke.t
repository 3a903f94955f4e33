#!/usr/bin/perl

# Revoking a user or a token: live and new clients of every worker, messages,
# publishers, over the death of a worker and a reload.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl /)
    ->has_daemon('openssl'))->plan(50);

$t->todo_alerts(killed());

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
        history size=256k;
        drain 1h;
        channel c { default on; }
        event e { channel c; publish_roles staff; }
    }

    map $http_x_user $who { default $http_x_user; }

    conductor_limit_conn off;
    conductor_limit_messages off;

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8443 ssl;

        ssl_certificate      localhost.crt;
        ssl_certificate_key  localhost.key;

        conductor_jwt_key    HS256 "a secret of at least thirty-two bytes";

        location /           { conductor h; }
        location /close      { conductor h; conductor_refuse close; }
        location /echo       { conductor h; conductor_protocol echo; }
        location /token      { conductor_publish h; }
        location /publish    { conductor_publish h; conductor_auth off; }
        location /health     { conductor_health h; conductor_auth off; }
        location /admin      { conductor_admin h; conductor_auth off; }
        location /nobody     { conductor h; conductor_auth off; }
        location /variable   {
            conductor h;
            conductor_identity user=$who;
        }
    }
}

EOF_CONF

certificate($t);

$t->run();

my $later = (time() + 3600) * 1000;

###############################################################################

# A user, live on all workers, plain and TLS.

my @ann = map { client($t, 'ann', ssl => $_ % 2) } 1 .. 12;
my @bob = map { client($t, 'bob', ssl => $_ % 2) } 1 .. 4;
my $echo = client($t, 'ann', path => '/echo');

is(revoke($t, user => 'ann'), 200, 'a user is revoked');
is((publish($t, { type => 'e', n => 1 }))[0], 200, 'an event comes after it');

is_deeply([ $_->expect_close() ], [ 4500, 'revoked', 1 ],
    'each of her clients is closed') for @ann, $echo;
is(scalar(grep { grep { /"type":"e"/ } $_->skipped() } @ann), 0,
    'and none has seen the event');
is(scalar(grep { $_->recv_until('e')->{n} == 1 } @bob), 4,
    'nobody else is');

my $ws = ws_connect($t, '/', token => token('ann'));
is($ws->status(), 401, 'she does not come back');
is($ws->body_json()->{code}, 'revoked', 'and is told why');
is((health($t, path => '/health?figures=1'))[1]{figures}{refused}{revoked}, 1,
    'which is counted');
like($ws->header('WWW-Authenticate'), qr/error="invalid_token", .*"revoked"/,
    'as tokens are');

$ws = ws_connect($t, '/close', token => token('ann'), origin =>
                 'http://localhost');
is_deeply([ $ws->expect_close() ], [ 4500, 'revoked', 1 ],
    'also in the way that a browser sees');

my ($code, undef, $head) =
    publish($t, { type => 'e' }, path => '/token', token => token('ann'));
is($code, 401, 'she does not publish');
like($head, qr/^WWW-Authenticate: Bearer .*error_description="revoked"\r$/m,
    'with the same reason');
is((publish($t, { type => 'e', n => 2 }, path => '/token',
            token => token('bob')))[0], 200, 'others do');

# Other ways of identity.

$ws = ws_connect($t, '/variable', headers => [ 'X-User: ann' ]);
is($ws->status(), 401, 'a user of a variable is the same');
like($ws->header('WWW-Authenticate'), qr/^Bearer/, 'with a challenge');

my $eve = ws_connect($t, '/variable', headers => [ 'X-User: eve' ]);
my $nobody = ws_connect($t, '/nobody');
$_->recv_until('welcome') for $eve, $nobody;

revoke($t, user => 'eve');
is_deeply([ $eve->expect_close() ], [ 4500, 'revoked', 1 ], 'live, too');

revoke($t, user => '');
is_deeply([ $nobody->expect_close() ], [ 4500, 'revoked', 1 ],
    'and those who have no name');
is(ws_connect($t, '/nobody')->status(), 401, 'live and new');
revoke($t, user => '', until => 0);

# A token.

my $one = client($t, 'bob', jti => 'one');
my $two = client($t, 'bob', jti => 'two');

is(revoke($t, jti => 'one'), 200, 'a token is revoked');
is_deeply([ $one->expect_close() ], [ 4500, 'revoked', 1 ], 'it is closed');
is($two->command({ type => 'ping' })->{type}, 'pong',
    'another one of the same user is not');
is(ws_connect($t, '/', token => token('bob', jti => 'one'))->status(), 401,
    'nor does it open');

my $error = $two->command({ type => 'auth',
                            token => token('bob', jti => 'one') });
is($error->{code}, 'revoked', 'or renew a connection');
is($two->command({ type => 'ping' })->{type}, 'pong', 'which stays');

$two->command({ type => 'auth', token => token('bob', jti => 'three') });
revoke($t, jti => 'two');
is($two->command({ type => 'ping' })->{type}, 'pong',
    'a token that was replaced is of no matter');
revoke($t, jti => 'three');
is_deeply([ $two->expect_close() ], [ 4500, 'revoked', 1 ],
    'the one in its place is');

# Until a time, or lifted.

is(revoke($t, user => 'ann', until => (time() + 2) * 1000), 200,
    'a revocation is replaced');
ok(wait_for(sub { ws_connect($t, '/', token => token('ann'))->is_open() }),
    'and passes');

revoke($t, user => 'ann');
is(ws_connect($t, '/', token => token('ann'))->status(), 401, 'come anew');
revoke($t, user => 'ann', until => 0);
ok(ws_connect($t, '/', token => token('ann'))->is_open(), 'and lifted');

# Not one message is executed after it, whatever was on its way.

my $ping = client($t, 'cid', path => '/echo');
my @got;

for my $n (1 .. 200) {
    $ping->send_text($n) for 1 .. 3;
    revoke($t, user => 'cid') if $n == 100;
    last if $n > 100 && !$ping->send_text('late');
}

push @got, $_ while defined($_ = $ping->recv_text());
is(scalar(grep { /late/ || $_ > 100 } @got), 0,
    'what is sent behind a revocation is not answered');

# A worker that is killed right after it, and others in its place.

my @dan = map { client($t, 'dan') } 1 .. 8;
my @pids = worker_pids($t);

revoke($t, user => 'dan');
kill 'KILL', $pids[0];

is(scalar(grep { ($_->expect_close())[0] =~ /^(?:4500|1006)$/ } @dan), 8,
    'when a worker dies right after it all are gone all the same');
ok(wait_for(sub { worker_pids($t) == workers()
                  && !grep { $_ == $pids[0] } worker_pids($t) }),
    'another one comes');
is(scalar(grep { ($_->status() // 0) != 401 }
          map { ws_connect($t, '/', token => token('dan')) } 1 .. 12), 0,
    'and knows of it');

# Old workers that drain, and new ones.

my @old = map { client($t, 'fay') } 1 .. 6;
ok(reload_workers($t), 'reloaded');
my @new = map { client($t, 'fay') } 1 .. 6;

revoke($t, user => 'fay');
is(scalar(grep { my ($code) = $_->expect_close(); $code == 4500 } @old), 6,
    'clients of the old workers are closed');
is(scalar(grep { ($_->expect_close())[0] == 4500 } @new), 6,
    'and those of the new ones');
is(ws_connect($t, '/', token => token('dan'))->status(), 401,
    'the new ones know what was before');

$_->drop() for @ann, @bob, $echo, $eve, $nobody, $one, $two, $ping, @dan,
               @old, @new;

###############################################################################

sub token {
    my ($user, %claims) = @_;
    return jwt({ sub => $user, role => "staff", exp => time() + 600, %claims },
               key => $secret);
}


sub client {
    my ($t, $user, %opt) = @_;
    my $path = delete $opt{path} // '/';
    my $ssl = delete $opt{ssl};

    my $ws = ws_connect($t, $path, token => token($user, %opt),
                        $ssl ? (ssl => 1) : ());
    $ws->recv_until('welcome') if $path eq '/';
    return $ws;
}


sub revoke {
    my ($t, %what) = @_;
    return (api($t, 'POST', '/admin/revocations', body =>
        JSON::PP->new->encode({ until => $later, %what })))[0];
}


sub certificate {
    my $dir = $_[0]->testdir();

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 "
         . "-nodes -days 2 -subj /CN=localhost -keyout $dir/localhost.key "
         . "-out $dir/localhost.crt >/dev/null 2>&1") == 0
        or die "openssl failed\n";
}
