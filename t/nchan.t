#!/usr/bin/perl

# Beside nchan, loaded before it or after it, both work.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /));
my $nchan = $t->modules_dir() . '/ngx_nchan_module.so';

# A module is good for the nginx that it was built for.

plan(skip_all => 'this nginx was not built to load what others built')
    if $t->configured() !~ /--with-compat/ || $t->configured() =~ /sanitize/;
skip_all('no nchan available') unless -e $nchan;

$t->plan(16);

my $globals = $ENV{TEST_NGINX_GLOBALS};

for my $order ('after', 'before') {
    local $ENV{TEST_NGINX_GLOBALS} = $order eq 'after'
        ? "load_module $nchan; $globals" : "$globals load_module $nchan;";

    $t->write_file_expand('nginx.conf', conductor_conf(conf()));
    $t->run();

    my @ws = map { ws_connect($t, '/', $_ ? (
                       extensions => 'permessage-deflate') : ()) } 0 .. 3;
    is(scalar(grep { $_->recv_until('welcome') } @ws), 4,
       "clients connect, loaded $order nchan");

    my @sub = map { ws_connect($t, '/sub?id=a') } 1 .. 4;
    is(scalar(grep { $_->is_open() } @sub), 4, 'and those of nchan');

    is((publish($t, { type => 'e', n => 1, text => 'x' x 500 }))[0], 200,
       'an event is accepted');
    is(scalar(grep { ($_->recv_until('e') // {})->{n} == 1 } @ws), 4,
       'and comes');

    like((api($t, 'POST', '/pub?id=a', body => 'hello',
              type => 'text/plain'))[0], qr/^20[12]$/, 'one of nchan, too');
    is(scalar(grep { $_->recv_data() eq 'hello' } @sub), 4, 'and comes');

    is_deeply([ $ws[0]->close(1000) ], [ 1000, '', 1 ], 'a close');

    # nchan leaves its clients open at a reload

    my $fds = fds($t);
    $_->reset() for @sub;
    wait_for(sub { fds($t) <= $fds - @sub });

    my @old = reload_workers($t);
    is(ws_connect($t, '/')->recv_until('welcome')->{type}, 'welcome',
       'and a reload');

    # nchan loses count, and ends by an assertion, where workers of before a
    # reload and of after it leave together

    $_->drop() for @ws;
    wait_gone(\@old, 20);
    $t->stop();
    unlink $t->testdir() . '/nginx.pid';
}


# How many descriptors the workers have open.
sub fds {
    my ($t) = @_;
    my $sum = 0;

    $sum += fd_count($_) for worker_pids($t);
    return $sum;
}


# Hubs and channels side by side.
sub conf {
    return <<'EOF_CONF';

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    nchan_shared_memory_size 4m;

    conductor_hub h {
        zone    32m;
        drain   100ms;
        channel c { default on; }
        event   e { channel c; }
    }

    conductor_auth     off;
    conductor_compress on;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /publish { conductor_publish h; }
        location /pub     { nchan_publisher; nchan_channel_id $arg_id; }
        location /sub     { nchan_subscriber websocket;
                            nchan_channel_id $arg_id; }
    }
}

EOF_CONF
}
