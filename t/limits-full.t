#!/usr/bin/perl

# A full zone: every connection it holds has room for its counts, and who is
# refused leaves nothing in them.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(14);

my $conf = <<'EOF_CONF';

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    2m;
        history events=100 size=64k;
        channel c { default on; }
        event   e { channel c; }
    }

    conductor_identity   user=$arg_user;
    conductor_limit_conn 1 key=$arg_key;
    conductor_limit_user 1;
    conductor_refuse     close;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

# what the zone holds beyond a few clients goes to its history

my ($all, $each) = (nginx_t($t, $conf))[1]
    =~ /holds (\d+) connections .* (\d+)$/m;
my $size = 64 + int(($all - 24) * $each / 1024);

$conf =~ s/size=64k/size=${size}k/;

$t->write_file_expand('nginx.conf', conductor_conf($conf));
$t->run();

my $n = (health($t))[1]{capacity};
ok($n > 8 && $n < 48, "a small zone holds $n connections");

my $many = crowd($t, 'a', $n);
is($many->open_count(), $n, 'each with a key and a user of its own');

my $more = ws_connect($t, '/?user=more&key=more');
is($more->body_json()->{code}, 'zone_full', 'and no more');
is($more->header('Retry-After'), 5, 'which is told when to come back');
is_deeply([ (ws_connect($t, '/?user=more&key=more',
                        origin => 'http://localhost')->expect_close())[0, 1] ],
    [ 1013, 'retry=5000' ], 'a browser, too');
is(code($t, 'user=a1&key=more'), 'user_limit',
    'who is over a limit hears of that');
is(code($t, 'user=more&key=a1'), 'address_limit', 'of either');

# more keys and users than the table of counts has room for

my %codes;
$codes{code($t, "user=u$_&key=k$_")}++ for 1 .. 1200;
is_deeply(\%codes, { zone_full => 1200 }, 'a thousand others are refused');

($many->clients())[0]->reset();
ok(wait_for(sub { ($more = ws_connect($t, '/?user=u1&key=k1'))->is_open() }),
    'one of them has room when another leaves');
is(code($t, 'user=u1&key=k2') . ' ' . code($t, 'user=u2&key=k1'),
    'user_limit address_limit', 'and is counted once');

$_->reset() for $many->clients(), $more;
ok(wait_for(sub { (health($t))[1]{connections} == 0 }), 'all leave');
is(crowd($t, 'u', $n)->open_count(), $n,
    'and who was refused can come, as many as there were');
ok(wait_for(sub { (health($t))[1]{connections} == 0 }), 'and leave');
is(crowd($t, 'a', $n)->open_count(), $n, 'as can those who were there');


# So many clients, each with a user and a key.
sub crowd {
    my ($nginx, $name, $count) = @_;
    return many_clients($nginx, $count,
        path => sub { "/?user=$name$_[0]&key=$name$_[0]" });
}


# The code of a refusal.
sub code {
    my ($nginx, $args) = @_;
    return (ws_connect($nginx, "/?$args")->body_json() || {})->{code} // 'none';
}
