#!/usr/bin/perl

# What watchers of presence see is who is there, whatever is reloaded or
# killed: nobody flaps, and nobody stays who has gone.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib', '../bench';
use Test::Nginx;
use Test::Conductor;
use Bench::Soak::Clients;

select STDERR; $| = 1;
select STDOUT; $| = 1;

use constant { CLIENTS => 60, ABSENT => 6 };

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /));

skip_all('the load client is not built: make build/bench/load')
    unless -x '../build/bench/load';

$t->plan(10);
$t->todo_alerts(killed());

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
    worker_connections 1024;
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      8m;
        history   events=1000 size=1m;
        drain     1s;
        presence  memory leave=3s;

        channel c                 { default on; }
        channel presence:updates  { }
        event task-status-changed { channel c; }
    }

    conductor_limit_conn      off;
    conductor_limit_messages  off;

    server {
        listen 127.0.0.1:8080;

        location /ws {
            conductor          h;
            conductor_jwt_key  HS256 "the bench's own secret of enough bytes";
        }

        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

$t->run();
wait_for(sub { worker_pids($t) == workers() });

# Every client is a reviewer; five of them watch.  Who is seen offline within
# a second of the end of a connection has flapped.

my $clients = Bench::Soak::Clients->new({ port => port(8080) },
    clients => CLIENTS, watchers => 5, publishers => 1, leave => 1);

ok(seen($clients, CLIENTS), 'watchers see all who are there');
$clients->command('changes 40');

# some stay away after each fault

$clients->command('absent ' . ABSENT);
my ($worker) = worker_pids($t);
kill 'KILL', $worker;
wait_gone([ $worker ]);
$clients->command('changes 0');
ok(seen($clients), 'a killed worker leaves no ghost');
$clients->command('return');
ok(seen($clients, CLIENTS), 'and all are seen again, as they are');

$clients->command('changes 40');
$clients->command('absent ' . ABSENT);
my @old = reload_workers($t);
ok(wait_gone(\@old, 20), 'a reload ends the old workers');
$clients->command('changes 0');
ok(seen($clients), 'and leaves no ghost');
$clients->command('return');
ok(seen($clients, CLIENTS), 'nor does anybody miss');

# a worker that is killed while it sends its clients on

@old = reload_workers($t);
kill 'KILL', @old;
ok(wait_gone(\@old, 20), 'workers are killed while they drain');
ok(seen($clients, CLIENTS), 'and all are seen again');

my $end = $clients->quit();

is($end->{flaps}, 0, 'nobody was offline who came back in time');
is("$end->{early} $end->{errors}", '0 0', 'no update came before its list');


# Waits until so many are there, and all watchers see all of them as they are.
sub seen {
    my ($clients, $n) = @_;

    return wait_for(sub {
        my $now = $clients->command('stats');

        return 0 if defined $n && $now->{open} != $n;
        return $now->{watching} == 5 && !$now->{unsure} && !$now->{unlike};
    }, 30);
}
