#!/usr/bin/perl

# Roles: who sees which channel, which event and which of its fields.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(25);

my $secret = 'a secret of at least 32 bytes, better random';

$t->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     8m;
        history  events=1000 size=256k;

        channel tasks  { default on; }
        channel admin  { default on; roles admin; }
        channel extra  { default off; }

        event task {
            channel  tasks;
            require  taskId;
            redact   internalNotes reviewer.email;
            redact   estimate unless_role=architect,admin;
            redact   reviewer.phone unless_role=admin;
        }

        event review  { channel tasks; roles architect reviewer;
                        fields featureSlug verdict author.name; }
        event alarm   { channel admin; }
        event secret  { channel admin; roles auditor; }
        event extra   { channel extra; }
        event end     { channel tasks; }
    }

    conductor_jwt_key     HS256 "$secret";
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /public/ { conductor h; conductor_auth off; }
        location /publish { conductor_publish h; conductor_auth off; }
    }
}

EOF_CONF

$t->run();

my %ws = map { ($_ => client($_)) }
    ('architect', 'reviewer', 'admin', 'admin,auditor', 'other', '');

$ws{nobody} = ws_connect($t, '/public/');
$_->recv_until('welcome') for values %ws;

my ($status) = publish($t, [
    { type => 'task', taskId => 'T01', internalNotes => 'x', estimate => 5,
      reviewer => { name => 'ann', email => 'a@x', phone => '1' } },
    { type => 'review', featureSlug => 'f', verdict => 'ok', comment => 'c',
      author => { name => 'bob', email => 'b@x' } },
    { type => 'alarm', n => 1 },
    { type => 'secret', n => 2 },
    { type => 'extra', n => 3 },
    { type => 'end' },
]);
is($status, 200, 'events are published');

my %got;

for my $who (keys %ws) {
    while (1) {
        my $event = $ws{$who}->recv_json() or die "role \"$who\": no event\n";
        last if $event->{type} eq 'end';

        delete @$event{qw/ timestamp eventId /};
        $got{$who}{delete $event->{type}} = $event;
    }
}

is_deeply($got{architect}{task},
    { taskId => 'T01', estimate => 5, reviewer => { name => 'ann' } },
    'an architect sees the estimate');
is_deeply($got{admin}{task},
    { taskId => 'T01', estimate => 5,
      reviewer => { name => 'ann', phone => '1' } },
    'an admin also a nested field that is hidden from others');
is_deeply($got{$_}{task}, { taskId => 'T01', reviewer => { name => 'ann' } },
    "role \"$_\" sees neither") for ('reviewer', 'other', '', 'nobody');

is_deeply($got{$_}{review},
    { featureSlug => 'f', verdict => 'ok', author => { name => 'bob' } },
    "role \"$_\" gets the fields that are shown of an event for it")
    for ('architect', 'reviewer');
ok(!$got{$_}{review}, "role \"$_\" does not get that event")
    for ('admin', 'admin,auditor', 'other', '', 'nobody');

ok($got{admin}{alarm} && $got{'admin,auditor'}{alarm},
    'a channel with roles reaches those who have one');
is(scalar(grep { $got{$_}{alarm} } keys %got), 2, 'and nobody else');
is(join(' ', grep { $got{$_}{secret} } keys %got), 'admin,auditor',
    'of a channel and an event with roles both are needed');
is(scalar(grep { $got{$_}{extra} } keys %got), 0,
    'a channel that is off by default reaches nobody');

# subscribing

my $ws = $ws{architect};

is_deeply(ask($ws, subscribe => channel => 'extra'),
    { type => 'ack', id => 1, channel => 'extra' }, 'a channel is subscribed');
is(ask($ws, subscribe => channel => 'admin')->{code}, 'forbidden',
    'not one of another role');
is(ask($ws, subscribe => channel => 'none')->{code}, 'unknown_channel',
    'nor one that does not exist');

publish($t, [ { type => 'extra', n => 1 }, { type => 'end' } ]);
is(join(' ', map { $ws->recv_json()->{type} } 1 .. 2), 'extra end',
    'what is subscribed arrives');

is(ask($ws, unsubscribe => channel => 'extra')->{type}, 'ack',
    'it is unsubscribed');
publish($t, [ { type => 'extra', n => 1 }, { type => 'end' } ]);
is($ws->recv_json()->{type}, 'end', 'and arrives no more');

ask($ws, subscribe => channel => 'tasks',
    filter => { taskId => [ 'T02', 'T03' ] });
publish($t, [ map { { type => 'task', taskId => "T0$_" } } 1 .. 4 ]);
is(join(' ', map { $ws->recv_json()->{taskId} } 1 .. 2), 'T02 T03',
    'a filter lets pass what it names');


sub client {
    my ($role) = @_;

    return ws_connect($t, '/', token => jwt({ sub => 'ann',
        role => [ split /,/, $role ] }, key => $secret));
}


# A command and its answer.
sub ask {
    my ($client, $type, %fields) = @_;

    $client->send_json({ type => $type, id => 1, %fields });
    return $client->recv_json();
}
