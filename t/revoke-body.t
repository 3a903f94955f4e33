#!/usr/bin/perl

# Requests whose body comes after their sender was revoked, or its token has
# expired: what counts is who may when it is carried out.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx qw/ :DEFAULT http_end /;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(13);

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
        channel c { default on; }
        event e { channel c; publish_roles staff; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_jwt_key  HS256 "a secret of at least thirty-two bytes";

        location /         { conductor h; }
        location /token    { conductor_publish h; }
        location /admin    { conductor_admin h; }
        location /off      { conductor_admin h; conductor_auth off; }

        location /variable {
            conductor_publish h;
            conductor_identity user=$arg_user role=staff;
        }
    }
}

EOF_CONF

$t->run();

my $ws = ws_connect($t, '/', token => token('bob'));
$ws->recv_until('welcome');

###############################################################################

# A user, and a token.

my $late = begin($t, '/token', token('ann'), '{"type":"e","n":1}');
my $keyed = begin($t, '/token', token('ann'), '{"type":"e","n":2}',
                  'Idempotency-Key: k');
my $variable = begin($t, '/variable?user=ann', '', '{"type":"e","n":3}');
my $other = begin($t, '/token', token('bob'), '{"type":"e","n":4}');

is(revoke($t, user => 'ann'), 200, 'a user is revoked');

like(finish($late), qr/^HTTP\S+ 401 .*error_description="revoked"/s,
    'what she was publishing is refused, with the reason');
like(finish($keyed), qr/^HTTP\S+ 401 /, 'also with a key');
like(finish($variable), qr/^HTTP\S+ 401 /, 'and by another identity');
like(finish($other), qr/^HTTP\S+ 200 /, 'what others do is not');
is($ws->recv_until('e')->{n}, 4, 'no client sees any of hers');

revoke($t, user => 'ann', until => 0);
is((publish($t, { type => 'e', n => 5 }, path => '/token', key => 'k',
            token => token('ann')))[0], 200, 'the key of a refused one is free');
is($ws->recv_until('e')->{n}, 5, 'and nothing was kept under it');

my $admin = begin($t, '/admin/revocations', token('dan', jti => 'one'),
                  '{"jti":"one","until":0}');
revoke($t, jti => 'one');
like(finish($admin), qr/^HTTP\S+ 401 /,
    'an administrator does not lift her own revocation');
is(ws_connect($t, '/', token => token('dan', jti => 'one'))->status(), 401,
    'which holds');

# A token that expires.

my $short = token('eve', exp => time() + 2);
$late = begin($t, '/token', $short, '{"type":"e","n":6}');
$admin = begin($t, '/admin/drain', $short, '{"server":"nope"}');

ok(wait_for(sub { (ws_connect($t, '/', token => $short)->status() // 0)
                  == 401 }), 'a token expires');
like(finish($late), qr/^HTTP\S+ 401 .*error_description="expired"/s,
    'what was begun with it is refused');
like(finish($admin), qr/^HTTP\S+ 401 /, 'by an administrator as well');

$ws->drop();

###############################################################################

sub token {
    my ($user, %claims) = @_;
    return jwt({ sub => $user, role => 'staff', exp => time() + 600, %claims },
               key => $secret);
}


# A request whose body is asked for, and of which half is sent.
sub begin {
    my ($t, $path, $token, $body, @headers) = @_;
    my $half = length($body) / 2;

    my $s = http(join("\x0d\x0a", "POST $path HTTP/1.1", 'Host: localhost',
        'Connection: close', 'Expect: 100-continue',
        'Content-Length: ' . length($body), @headers,
        $token ? "Authorization: Bearer $token" : (), '', ''), start => 1);

    die "$path does not ask for a body\n"
        unless ($s->getline() // '') =~ m!^HTTP/1\.1 100 !;

    $s->print(substr $body, 0, $half);
    return [ $s, substr $body, $half ];
}


# Sends the rest: the answer.
sub finish {
    my ($s, $rest) = @{$_[0]};

    $s->getline();              # the one behind "100 Continue"
    $s->print($rest);
    return http_end($s) // '';
}


sub revoke {
    my ($t, %what) = @_;

    return (api($t, 'POST', '/off/revocations', body => JSON::PP->new->encode(
        { until => (time() + 3600) * 1000, %what })))[0];
}
