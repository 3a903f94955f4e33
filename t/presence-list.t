#!/usr/bin/perl

# A list has a bound, and comes first.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(12);

my $secret = 'a secret of at least 32 bytes, better random';

$t->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
    worker_connections 2048;
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      8m;
        history   events=100 size=64k;
        presence  memory leave=200ms tick=10ms list=20;
    }

    conductor_jwt_key     HS256 "$secret";
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location / { conductor h; }
        location /deflate { conductor h; conductor_compress on; }
    }
}

EOF_CONF

$t->run();

my $many = many_clients($t, 60,
    token => sub { jwt({ sub => "many$_[0]" }, key => $secret) });
ok($many->wait_each(1, 'presence-list', 30), 'many come');

my ($last) = ($many->clients())[17];
change($last, 'busy', 'search');

my $ws = client($t, 'new');
my $list = list($ws);

is(scalar(@{$list->{reviewers}}), 20, 'a list has a bound');
ok($list->{truncated}, 'and says so');
is($list->{total}, 61, 'with the number of all');

my @users = map { $_->{userId} } @{$list->{reviewers}};
is($users[0], 'new', 'who changed last comes first');
ok(grep({ $_ eq 'many17' } @users), 'so that one is in it');

my %seen;
$seen{$_}++ for @users;
is(scalar(grep { $_ > 1 } values %seen), 0, 'and nobody twice');

$ws->command({ type => 'subscribe', channel => 'presence:updates',
    filter => { status => 'online' } });
$list = list($ws);
is("$list->{total} " . @{$list->{reviewers}}, '60 20',
    'a filtered list has its own total');

my $small = ws_connect($t, '/deflate', extensions => 'permessage-deflate',
    token => jwt({ sub => 'small' }, key => $secret));
my $message = $small->recv_message();
$message = $small->recv_message() if $message->{data} =~ /"welcome"/;
like($message->{data}, qr/"presence-list"/, 'a list may be compressed');
ok($message->{compressed}, 'and is');

# one that is told nothing until it has its list

my @late = map { client($t, "late$_") } 1 .. 10;
my $wrong = 0;

for my $client (@late) {
    my @types = map { $client->recv_json()->{type} } 1 .. 2;
    $wrong++ if "@types" ne 'welcome presence-list';
}

is($wrong, 0, 'a list comes before all else, whatever happens meanwhile');
is(join(' ', map { $_->faults() } @late, $ws, $small), '',
    'without a fault');


sub client {
    my ($nginx, $user, @roles) = @_;

    return ws_connect($nginx, '/', token => jwt({ sub => $user,
        role => \@roles }, key => $secret));
}


sub list { $_[0]->recv_until('presence-list') }


sub change {
    my ($ws, $status, $feature) = @_;

    return $ws->command({ type => 'presence-update', status => $status,
        currentFeature => $feature })->{type};
}

