#!/usr/bin/perl

# The browser package in Node: with the WebSocket of "ws", and with Node's own.

use warnings;
use strict;

use JSON::PP qw//;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Client::Page;
use Test::Conductor;
use Test::Nginx qw/ :DEFAULT port /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_client(need_conductor(Test::Nginx->new()))->plan(11);

$t->write_file_expand('nginx.conf', client_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     8m;
        history  events=1000 size=1m;
        drain    300ms;

        channel c { default on; }
        event e { channel c; publish_roles writer; }
    }

    server {
        listen 127.0.0.1:8080;

        conductor_jwt_key  HS256 "the secret of this test, in 32 octets";

        location /ws      { conductor h; }
        location /publish { conductor_publish h; conductor_auth off; }
    }
}

EOF_CONF

$t->write_file('program.mjs', <<'EOF_JS');

import { createRequire } from 'node:module';

const [, , client, url, token, socket] = process.argv;
const { createClient, createQueue } = await import(`${client}/dist/index.js`);

const { WebSocket } = socket === 'ws'
  ? createRequire(`${client}/`)('ws') : globalThis;

const say = (what) => console.log(JSON.stringify(what));
const conductor = createClient({
  url,
  token: async () => token,
  delays: [100],
  ...(WebSocket && { WebSocket }),
});

const queue = createQueue(conductor);

conductor.onChange(() => say({ status: conductor.state.status }));

conductor.on('e', ({ n }) => {
  say({ n });

  if (n === 31) {
    conductor.disconnect();
    queue.close();
  }
});

try {
  conductor.connect();
} catch (error) {
  say({ type: error.message });
  process.exit();
}

say(await conductor.send({ type: 'publish', event: { type: 'e', n: 1 } }));
EOF_JS

$t->run();

my $published;

goes_on('ws');

SKIP: {
    my @options = own_socket() or skip('this Node has no WebSocket', 5);

    goes_on('its own', @options[1 .. $#options]);
}

SKIP: {
    my ($status, $said) = node('-p', 'typeof WebSocket');

    skip('this Node has a WebSocket', 1) if $said =~ /function/;

    like(join('', readline program('none')), qr/give one to the client/,
        'without one, Node is told what to do');
}


sub goes_on {
    my ($socket, @options) = @_;
    my $out = program($socket, @options);
    my (@states, @numbers, @other);

    $published = 1;

    while (my $line = <$out>) {
        my $said = eval { JSON::PP->new->decode($line) } || {};

        if ($said->{status}) {
            push @states, $said->{status};
            more(10) if "@states" =~ / connected .* connected$/;

        } elsif (!$said->{n}) {
            push @other, $said->{type} // $line;

        } else {
            my $n = $said->{n};

            push @numbers, $n;
            reload_workers($t) if $n == 11;
            more(10) if $n == 1 || $n == 21;
        }
    }

    close $out;

    is($?, 0, "with $socket, a program ends when it has disconnected");
    is_deeply(\@other, [ 'ack' ], 'what it said was done');
    is_deeply(\@numbers, [ 1 .. 31 ], 'it hears everything, over a reload');
    like("@states", qr/^connecting connected waiting connecting connected/,
        'by way of these states');
    like("@states", qr/idle$/, 'and of this one, in the end');
}


sub more {
    my ($count) = @_;

    publish($t, [ map { { type => 'e', n => ++$published } } 1 .. $count ]);
}


# Starts the program: what it says.
sub program {
    my ($socket, @options) = @_;
    my $url = 'http://127.0.0.1:' . port(8080) . '/ws';
    my $token = jwt({ sub => 'ann', role => 'writer' },
        key => 'the secret of this test, in 32 octets');

    open my $out, '-|', 'node', @options, $t->testdir() . '/program.mjs',
        $CLIENT, $url, $token, $socket or die "node: $!\n";

    return $out;
}


# What has Node use a WebSocket of its own, behind "yes"; nothing if it has
# none.
sub own_socket {
    for my $option ([], [ '--experimental-websocket' ]) {
        my ($status, $said) = node(@$option, '-p', 'typeof WebSocket');

        return ('yes', @$option) if $said =~ /^function$/m;
    }

    return;
}
