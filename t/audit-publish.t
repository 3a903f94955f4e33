#!/usr/bin/perl

# Who has published, as the audit log tells it, where no client and no request
# did: a back end in its answer, and programs in Redis.

use warnings;
use strict;

use JSON::PP;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Backend;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /)
                           ->has_daemon('redis-server'))->plan(11);

my $redis = redis($t);

my ($a, $b) = servers($t, 2, <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 16m;
        name node-%%N%%;
        state %%TESTDIR%%/state;
        history events=1000 size=256k;
        redis redis://127.0.0.1:8379;
        audit_log audit.log;
        channel c { default on; }
        event e { channel c; }
        event f { channel c; }
    }

    conductor_hub alone {
        zone 4m;
        history size=64k;
        audit_log audit.log;
        channel c { default on; }
        event e { channel c; }
    }

    conductor_identity user=$arg_user role=writer;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; conductor_backend /be message; }
        location /alone   { conductor alone;
                            conductor_backend /be connect message; }
        location /health  { conductor_health h; conductor_auth off; }
        location /be      { internal; proxy_pass http://127.0.0.1:8399; }
    }
}

EOF_CONF

backend($t, 8399, connect => { answer => '{"publish":{"type":"e"}}' });

ok(hub_is('connected', undef, $a, $b), 'two servers are one hub');

# of a call

my %do = (answer => '{"publish":[{"type":"e"},{"type":"e"}]}');

my $ws = ws_connect($a, '/?user=ann');
my $id = $ws->recv_until('welcome')->{connectionId};
$ws->command({ type => 'agent:x', action => 'go', do => \%do });
my $event = $ws->recv_until('e');
my $line = line($a, sub { $_->{events} == 2 });
is_deeply([ @$line{qw/ connection user role address reason /} ],
    [ $id, 'ann', 'writer', '127.0.0.1', 'back end' ],
    'a back end publishes in the name of its client');
is($line->{eventId}, $event->{eventId}, 'with an id');

$ws = ws_connect($a, '/alone?user=bob');
$id = $ws->recv_until('welcome')->{connectionId};
$line = line($a, sub { $_->{hub} eq 'alone' });
is("$line->{connection} $line->{user} $line->{reason}", "$id bob back end",
    'also when that one comes');

$ws = ws_connect($a, '/alone?user=eve');
$id = $ws->recv_until('welcome')->{connectionId};
$ws->send_json({ type => 'agent:x', action => 'go',
                 do => { %do, delay => 0.3 } });
ok(wait_for(sub {
       1 == grep { $_->{kind} eq 'message' && $_->{userId} eq 'eve' }
            map { $_->{body} } asked($t, 8399);
   }), 'a call is under way');
$ws->reset();
$line = line($a, sub { $_->{hub} eq 'alone' && $_->{events} == 2 });
is("$line->{connection} $line->{address}", "$id 127.0.0.1",
    'of one that has gone there is the connection');

# in Redis

$redis->publish('c', { type => 'f', n => $_ }) for 1 .. 20;

my @said;
ok(wait_for(sub {
       @said = grep { $_->{reason} && $_->{reason} eq 'Redis' } both();
       return @said == 20;
   }), 'what a program publishes in Redis is told by one server');
is(scalar(grep { "$_->{events} @{$_->{types}}" eq '1 f'
                 && !defined $_->{connection} && !defined $_->{user}
                 && !defined $_->{address} } @said), 20,
    'of nobody, by its type');

my %id = map { $_->{eventId} => 1 } @said;
is(scalar keys %id, 20, 'each with its id');
$ws = ws_connect($a, "/?user=ann&since=$event->{eventId}");
$ws->recv_until(sub { ref && ($_->{n} // 0) == 20 });
is(scalar(grep { $id{$_->{eventId} // ''} } @{$ws->skipped()}), 19,
    'which clients get');
$redis->publish('c', { type => 'nothing' });
$redis->publish('c', { type => 'f', n => 'last' });
$ws->recv_until(sub { ref && ($_->{n} // '') eq 'last' });
ok(wait_for(sub {
       21 == grep { $_->{reason} && $_->{reason} eq 'Redis' } both();
   }), 'what is no event is not told of');

$_->stop() for $b, $a;


# The publications in the log of a server.
sub lines {
    my ($nginx) = @_;

    return grep { $_->{event} eq 'publish' } map { decode_json($_) }
           grep { /\n$/ } split /(?<=\n)/, $nginx->read_file('audit.log');
}


sub both {
    return map { lines($_) } $a, $b;
}


# The first one that a function finds right, waited for.
sub line {
    my ($nginx, $which) = @_;

    return wait_for(sub { (grep { $which->($_) } lines($nginx))[0] }) || {};
}
