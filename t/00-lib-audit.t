#!/usr/bin/perl

# The audit of clients on several servers: on one server without faults it
# finds nothing wrong, and it finds what is.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Audit;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(12);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     8m;
        drain    200ms;
        history  events=20000 size=4m;

        channel c { default on; }
        event e { channel c; publish_roles system; }
    }

    conductor_limit_conn      off;
    conductor_limit_messages  off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor           h;
            conductor_identity  user=$arg_user role=$arg_role;
        }

        location /publish { conductor_publish h; }
    }
}

EOF_CONF

$t->run();

my $audit = Test::Conductor::Audit->new([ $t ], clients => 50);

ok($audit->come(), 'all clients come');

$audit->publisher('http', count => 200, rate => 400);
$audit->publisher('ws', count => 200, rate => 400);
$audit->more(50);
$audit->cut(20);
$audit->more(50);
$audit->cut(20);

ok($audit->settle(), 'all events come') or diag($audit->summary());
is($audit->accepted(), 400, 'which were all accepted');
is_deeply($audit->verdict(), {}, 'to each client once, in one order');
is($audit->{resumed}, 40, 'also to those that came back')
    or diag($audit->summary());

my @clients = @{$audit->{clients}};

substr $clients[1]{got}, 100, 4, '';
is_deeply($audit->verdict(), { lost => 1 }, 'a loss is found');

$clients[2]{got} .= substr $clients[2]{got}, -4;
is_deeply($audit->verdict(), { lost => 1, doubled => 1 },
          'so is an event that comes twice');

$clients[3]{got} = substr($clients[3]{got}, 4) . substr $clients[3]{got}, 0, 4;
is_deeply($audit->verdict(), { lost => 1, doubled => 1, reordered => 1,
                                 disordered => 1 }, 'one that comes late');

$audit->identified(1, '1-1');
$audit->identified(2, '1-1');
is($audit->verdict()->{ids}, 1, 'an id of two events');

$audit->identified(1, '1-2');
is($audit->verdict()->{ids}, 2, 'and an event of two ids');

$audit->identified(3, '1-3~7.7');
$audit->identified(4, '1-3~7.7');
is($audit->verdict()->{ids}, 2, 'but one that says more may be of two');

$clients[4]->message('{"at":"1.1","eventId":"1-4~7.7"}') for 1 .. 2;
is($audit->verdict()->{ids}, 3, 'if nobody is told it twice');
