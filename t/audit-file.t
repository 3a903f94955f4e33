#!/usr/bin/perl

# The file of the audit log: whole lines of all workers, rotated, buffered, and
# complete over a reload and a worker that is killed.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(34);

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      4m;
        history   events=100 size=64k;
        drain     100ms;
        audit_log audit.log;
        channel   c { default on; }
        event     e { channel c; }
    }

    conductor_hub other {
        zone      2m;
        history   size=64k;
        drain     100ms;
        audit_log audit.log events=connect;
    }

    conductor_hub late {
        zone      2m;
        history   size=64k;
        drain     100ms;
        audit_log late.log buffer=16k flush=1h;
    }

    conductor_limit_conn off;
    conductor_auth       off;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /other   { conductor other; }
        location /late    { conductor late; }
        location /publish { conductor_publish h; }
        location /health  { conductor_health h; }
    }
}

EOF_CONF

$t->run();

my $dir = $t->testdir();

# many writers

my $many = many_clients($t, 300);
$many->wait_each(1, 'welcome');
$_->close(1000) for ($many->clients())[0 .. 149];
$_->reset() for ($many->clients())[150 .. 299];

ok(wait_for(sub { counted($t, 'audit.log', 'disconnect') == 300 }),
    'the ends of all connections come');
is(counted($t, 'audit.log', 'connect'), 300, 'as have their beginnings');
is(broken($t, 'audit.log'), 0, 'in whole lines');

ws_connect($t, '/other')->close(1000);
ok(wait_for(sub { grep { $_->{hub} eq 'other' } lines($t, 'audit.log') }),
    'another hub writes to the same file');

# rotation

my $before = counted($t, 'audit.log', 'connect');

rename "$dir/audit.log", "$dir/audit.1" or die "rename: $!\n";
rename "$dir/late.log", "$dir/late.1" or die "rename: $!\n";

ws_connect($t, '/')->recv_until('welcome');
ok(wait_for(sub { counted($t, 'audit.1', 'connect') == $before + 1 }),
    'a file that was renamed is written on');

my $late = ws_connect($t, '/late');
$late->recv_until('welcome');
is(-s "$dir/late.1", 0, 'what is buffered is not written yet');

kill 'USR1', master($t);
ok(wait_for(sub { -e "$dir/audit.log" && -e "$dir/late.log" }),
    'USR1 opens new ones');
ok(wait_for(sub { counted($t, 'late.1', 'connect') == 1 }),
    'what was buffered is in the old one');
ok(wait_for(sub {
       ws_connect($t, '/')->recv_until('welcome');
       counted($t, 'audit.log', 'connect') >= workers();
   }), 'and what comes in the new one');

my $size = -s "$dir/audit.1";

# all workers have opened it when none writes to the old one

ok(wait_for(sub {
       my $was = -s "$dir/audit.1";
       ws_connect($t, '/')->recv_until('welcome') for 1 .. 8 * workers();
       return $was == -s "$dir/audit.1";
   }), 'of every worker');
is(broken($t, 'audit.1') + broken($t, 'audit.log'), 0, 'in whole lines still');

# a reload, which ends connections, and what they had buffered

my $ws = ws_connect($t, '/');
my $id = $ws->recv_until('welcome')->{connectionId};
reload_workers($t);
ok(wait_for(sub { ended($t, 'audit.log', $id) }),
    'a connection that a reload ends');
is(ended($t, 'audit.log', $id)->{reason}, 'restart', 'for that reason');
ok(wait_for(sub { counted($t, 'late.log', 'disconnect') == 1 }),
    'is told of before its worker goes');

# killed

my @ws = map { ws_connect($t, '/') } 1 .. 20;
my @ids = map { $_->recv_until('welcome')->{connectionId} } @ws;
publish($t, { type => 'e' });

my @pids = worker_pids($t);
kill 'KILL', @pids;
ok(wait_gone(\@pids), 'workers are killed');
$t->todo_alerts(killed());

ok(wait_for(sub { 20 == grep { lost($t, 'audit.log', $_) } @ids }),
    'their connections are lost');

my @lost = grep { ($_->{reason} // '') eq 'lost' } lines($t, 'audit.log');

is(scalar(grep { $_->{durationMs} !~ /^\d+$/ } @lost), 0,
    'of which is known after how long');
is(scalar(grep { defined $_->{bytesOut} } @lost), 0,
    'but not how much they had sent');

is(broken($t, 'audit.log'), 0, 'no line is torn');

my %ends;
$ends{$_->{connection}}++
    for grep { $_->{event} eq 'disconnect' } map { lines($t, $_) } 'audit.1',
                                                              'audit.log';
is(scalar(grep { $_ > 1 } values %ends), 0, 'and nothing ends twice');

# what cannot be

for ([ 'x.log buffer=1k', qr/the size is 8k to 16m/ ],
     [ 'x.log buffer=x', qr/the size is 8k to 16m/ ],
     [ 'x.log flush=1s', qr/"flush=1s" .* "flush=" needs "buffer="/ ],
     [ 'x$pid.log', qr/it cannot have variables/ ],
     [ 'x.log buffer=64k flush=0', qr/a time above 0/ ],
     [ 'x.log events=connect,', qr/there is connect, refuse/ ],
     [ 'x.log events=all', qr/there is connect, refuse/ ],
     [ 'x.log format=json', qr/expected "buffer="/ ],
     [ 'off buffer=64k', qr/no more to say/ ],
     [ '""', qr/it names no file/ ],
     [ 'syslog:server=127.0.0.1', qr/it names no file/ ],
     [ 'x.log; audit_log y.log', qr/is duplicate/ ],
     [ 'access.log', qr/it is the file of another log/ ],
     [ 'nowhere/x.log', qr/open\(\) ".*nowhere/ ])
{
    my ($value, $why) = @$_;
    like(refused($t, $value), $why, "audit_log $value is refused");
}

$t->stop();


# All lines of a file, decoded.
sub lines {
    my ($nginx, $name) = @_;

    return () if !-e $nginx->testdir() . "/$name";
    return map { eval { decode_json($_) } || { hub => '', event => '' } }
           split /\n/, $nginx->read_file($name);
}


sub counted {
    my ($nginx, $name, $event) = @_;
    return scalar grep { $_->{event} eq $event } lines($nginx, $name);
}


# How many lines are no object with a time.
sub broken {
    my ($nginx, $name) = @_;
    my $text = $nginx->read_file($name);

    return ($text =~ /\n\z/ ? 0 : 1) + grep { !$_->{time} } lines($nginx, $name);
}


# How a connection ended.
sub ended {
    my ($nginx, $name, $id) = @_;
    return (grep { $_->{event} eq 'disconnect' && $_->{connection} eq $id }
            lines($nginx, $name))[0];
}


# Whether it ended with its worker.
sub lost {
    my ($nginx, $name, $id) = @_;
    return ((ended($nginx, $name, $id) || {})->{reason} // '') eq 'lost';
}


sub master {
    my ($nginx) = @_;
    return $nginx->read_file('nginx.pid') =~ /(\d+)/;
}


# Why nginx refuses an "audit_log".
sub refused {
    my ($nginx, $value) = @_;

    my ($ok, $said) = nginx_t($nginx, <<"EOF_CONF");
%%TEST_GLOBALS%%
events { }
http {
    %%TEST_GLOBALS_HTTP%%
    access_log access.log combined buffer=4k;
    conductor_hub h { zone 2m; audit_log $value; }
}
EOF_CONF

    return $ok ? 'it is accepted' : $said;
}
