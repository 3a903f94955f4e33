#!/usr/bin/perl

# A reload that has the back ends in another order: workers of both
# configurations count the calls of the same one together.

use warnings;
use strict;

use List::Util qw/ max /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Backend;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /))->plan(6);

my $conf = conductor_conf(<<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone   4m;
        drain  20s;
    }

    server {
        listen 127.0.0.1:8080;

        conductor_auth off;
        conductor_backend_concurrency 2;

        LOCATIONS

        location = /one { proxy_pass http://127.0.0.1:8082; }
        location = /two { proxy_pass http://127.0.0.1:8083; }

        location /health { conductor_health h; }
    }
}

EOF_CONF

my @places = map { "location /ws/$_ { conductor h; conductor_backend /$_; }" }
    qw/ one two /;

backend($t, 8082);
backend($t, 8083);

configure(@places);
$t->run();
wait_for(sub { worker_pids($t) == workers() });

my @old = map { come('/ws/one') } 1 .. 2;
$_->send_json({ type => 'agent:a', id => 1, do => { delay => 5 } }) for @old;
wait_for(sub { asked($t, 8082) == 2 });

my %pids = map { $_ => 1 } worker_pids($t);
configure(reverse @places);
$t->reload();

ok(wait_for(sub {
    my @now = worker_pids($t);
    return @now == workers() && !grep { $pids{$_} } @now;
}), 'a reload has the back ends in another order');
cmp_ok(scalar(grep { kill 0, $_ } keys %pids), '>', 0,
    'and workers that had them in the first are still there');

my $one = come('/ws/one');
my $two = come('/ws/two');

$one->send_json({ type => 'agent:a', id => 2 });
is($two->command({ type => 'agent:a' })->{type}, 'ack',
    'a back end that is free is asked');
is(scalar(asked($t, 8082)), 2, 'while the other one is not');

is($one->recv_until('ack', 15)->{id}, 2, 'before it is free as well');
is(max(map { $_->{inflight} } asked($t, 8082)), 2,
    'no more calls are made than may be');


sub configure {
    my (@places) = @_;

    $t->write_file_expand('nginx.conf',
        $conf =~ s/LOCATIONS/join "\n        ", @places/er);
}


sub come {
    my ($uri) = @_;
    my $ws = ws_connect($t, $uri);

    $ws->recv_until('welcome');
    return $ws;
}
