#!/usr/bin/perl

# Limits under a dry run: all is counted and logged, nobody is refused.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(24);

my $conf = <<'EOF_CONF';

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    4m;
        history events=100 size=64k;
        drain   100ms;
        channel c { default on; }
        event   e { channel c; }
    }

    conductor_identity      user=$arg_user;
    conductor_limit_conn    off;
    conductor_limit_dry_run on;

    server {
        listen 127.0.0.1:8080;

        location /     { conductor h; }
        location /conn { conductor h; conductor_limit_conn 2; }
        location /user { conductor h; conductor_limit_user 2; }

        location /both {
            conductor            h;
            conductor_limit_conn 1;
            conductor_limit_user 1;
        }

        location /key {
            conductor            h;
            conductor_limit_conn 1 key=$arg_x;
        }

        location /window {
            conductor                  h;
            conductor_limit_handshakes 2 per=1h;
        }

        location /message {
            conductor                h;
            conductor_limit_messages 2 per=1h bytes=1k close_after=3;
        }

        location /echo {
            conductor                h;
            conductor_protocol       echo;
            conductor_limit_messages 100 per=1h bytes=10;
        }

        location /short {
            conductor                h;
            conductor_limit_messages 1 per=1s;
        }

        location /wet {
            conductor               h;
            conductor_limit_conn    2;
            conductor_limit_dry_run off;
        }

        location /wet/message {
            conductor                h;
            conductor_limit_messages 2 per=1h close_after=3;
            conductor_limit_dry_run  off;
        }

        location /health { conductor_health h; }
    }
}

EOF_CONF

$t->write_file_expand('nginx.conf', conductor_conf($conf));
$t->run();

# connections

my @conn = map { as('/conn?user=ann', 2) } 1 .. 5;
is(statuses(@conn), '101 101 101 101 101', 'nobody of an address is refused');
is(said($t, 'address_limit'), 3, 'each beyond the limit is logged once');
ok($t->find_in_file('error.log', qr/\[warn\].*over\ a\ limit,\ dry\ run:
    \ address_limit,\ hub:\ "h".*client:\ 127\.0\.0\.2,/x),
    'with its address');
is((health($t))[1]{connections}, 5, 'they are connections as any');

my @user = map { as('/user?user=bob', 2) } 1 .. 4;
is(statuses(@user), '101 101 101 101', 'nor is anybody of a user');
is(said($t, 'user_limit'), 2, 'which is logged, too');

my @both = map { as('/both?user=cat', 3) } 1 .. 2;
is(statuses(@both), '101 101', 'nor who is over two limits');
is(said($t, 'address_limit') . ' ' . said($t, 'user_limit'), '4 3',
    'which is logged for each');

my @key = map { as("/key?user=dan&x=$_", 4) } '', '', qw/ a a b /;
is(statuses(@key), '101 101 101 101 101', 'nor who is over that of a key');
is(said($t, 'address_limit'), 5, 'which counts what has one');

# what is counted is the truth

is(statuses(as('/wet?user=ann', 2)), 429,
    'where the limit is in force all of them count');
$_->close(1000) for @conn[0 .. 2];
wait_for(sub { (health($t))[1]{connections} == 13 });
is(statuses(as('/wet?user=ann', 2)), 429, 'until they are below it');
$conn[3]->close(1000);
ok(wait_for(sub { as('/wet?user=ann', 2)->is_open() }), 'and no longer');

# handshakes

is(statuses(map { as('/window?user=eve', 5) } 1 .. 5), '101 101 101 101 101',
    'no handshake is refused');
is(said($t, 'handshake_limit'), 3, 'but logged');

my $wet = $conf;
$wet =~ s/dry_run on/dry_run off/;
$t->write_file_expand('nginx.conf', conductor_conf($wet));
$_->drop() for @conn, @user, @both, @key;
ok(reload_workers($t), 'reloaded with all limits in force');
is(statuses(as('/window?user=eve', 5)), 429, 'the window goes on');
$t->write_file_expand('nginx.conf', conductor_conf($conf));
reload_workers($t);

# messages

my $ws = as('/message?user=fay', 6);
$ws->recv_until('welcome');
$ws->send_raw(join '', map { frame(1, qq({"type":"ping","id":$_})) } 1 .. 50);
is(scalar(grep { ($ws->recv_json() || {})->{type} eq 'pong' } 1 .. 50), 50,
    'no message is refused, nor a client closed');
is(said($t, 'messages'), 1, 'a window has one line');
ok($t->find_in_file('error.log', qr/\[warn\].*over\ the\ limit,\ dry\ run,
    \ hub:\ "h",\ client:\ 127\.0\.0\.6,\ user:\ "fay"/x),
    'with the client');

$ws = as('/echo?user=gil', 6);
$ws->send_text('x' x 11);
is($ws->recv_text(), 'x' x 11, 'nor are octets');
is(said($t, 'messages'), 2, 'which have another');

$ws = as('/short?user=hal', 6);
$ws->recv_until('welcome');
my $windows = said($t, 'messages');
ok(wait_for(sub { $ws->command({ type => 'ping' });
                  said($t, 'messages') > $windows + 1 }),
    'the next window has its own');

$ws = as('/wet/message?user=ian', 6);
$ws->recv_until('welcome');
$ws->send_raw(join '', map { frame(1, qq({"type":"ping","id":$_})) } 1 .. 50);
is(join(' ', map { ($ws->recv_json() || {})->{type} // '' } 1 .. 4)
    . ' ' . ($ws->expect_close())[0], 'pong pong error error 4429',
    'where the limit is in force they are refused');


# A client on a path, from an address.
sub as {
    my ($path, $n) = @_;
    return ws_connect(port(8080), $path, source => "127.0.0.$n");
}


# How many lines of a dry run are about something.
sub said {
    my ($nginx, $what) = @_;
    my $log = $nginx->read_file('error.log');

    return scalar(() = $log =~ /messages over the limit, dry run/g)
        if $what eq 'messages';
    return scalar(() = $log =~ /over a limit, dry run: $what,/g);
}


sub statuses {
    return join ' ', map { $_->status() // 0 } @_;
}
