#!/usr/bin/perl

# The React part in a browser: the examples as they are printed, and hooks and
# components below a provider, in StrictMode.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Client::Page;
use Test::Conductor;
use Test::Conductor::Net;
use Test::Nginx qw/ :DEFAULT port /;

select STDERR; $| = 1;
select STDOUT; $| = 1;

own_network();          # where port 4003 is free, as the examples have it

my $t = need_client(need_conductor(Test::Nginx->new()))->plan(25);

$t->write_file_expand('nginx.conf', client_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      8m;
        presence  memory leave=300ms;
        history   events=1000 size=1m;
        drain     300ms;

        channel tasks:updates    { default on; }
        channel presence:updates { default on; }

        event task-status-changed { channel tasks:updates; }
    }

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:4003;

        location = /   { conductor h; conductor_auth off; }
        location = /ws { conductor h; conductor_identity user=$arg_user
                                                         role=$arg_role; }

        location = /publish { conductor_publish h; }
        location = /health  { conductor_health h; }

        location /app/      { alias %%TESTDIR%%/app/; types {
                              text/html html; text/javascript js; } }

        %%PAGES%%
    }
}

EOF_CONF

$t->write_file('page.html', <<'EOF_HTML');
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The components</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/client/react/style.css">
<style>
  :root { color-scheme: light dark; }
  body { background: Canvas; color: CanvasText; }
</style>
<script type="module" src="script.js"></script>
<body><main id="root"></main></body>
</html>
EOF_HTML

# Of the examples only the import path is another, "..." is filled in, and what
# stands alone is put where a component has it.

mkdir $t->testdir() . '/app';
rename $t->testdir() . '/page.html', $t->testdir() . '/app/index.html';

$ENV{NODE_ENV} = 'development';         # React says what is wrong

my $script = bundle(<<'EOF_TSX');

import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import {
  ConductorProvider, ConnectionQualityBadge, ConnectionQualityCard,
  ReviewerPresence, useConnectionQuality, useEvents, useOfflineQueue,
  usePresence, useWebSocket,
} from './dist/react/index.js';

function Queue() {
  const ws = useWebSocket({
    url: 'ws://localhost:4003',
    token: 'your-token',
    enableOfflineQueue: true,  // Enable queue (default: true)
  });

  // Access queue info
  console.log('Queue size:', ws.queueSize);

  window.say = () => ws.send({ type: 'agent:learning',
    action: 'start_session' }).then(({ type }) => type, ({ code }) => code);

  return <p id="queue">
    {ws.status}, {ws.queueSize} <button onClick={() => {
      // Clear queue manually
      ws.clearQueue();
    }}>clear</button>
  </p>;
}

function MyComponent() {
  const ws = useWebSocket({
    url: 'ws://localhost:4003',
    token: 'your-token',
  });
  const quality = useConnectionQuality({
    status: ws.status,
    send: ws.send
  });

  return (
    <ConnectionQualityCard 
      status={ws.status} 
      metrics={quality} 
    />
  );
}

function Monitored() {
  const ws = useWebSocket();
  const quality = useConnectionQuality({
    status: ws.status,
    send: ws.send,
    checkInterval: 10000  // Check every 10 seconds
  });

  function Header() {
    return (
      <header>
        <ConnectionQualityBadge 
          status={ws.status} 
          metrics={quality} 
        />
      </header>
    );
  }

  // Manual control
  window.control = () => {
    quality.startMonitoring();
    quality.stopMonitoring();
  };

  return <Header />;
}

let renders = 0;

function Where() {
  const { me } = usePresence({ currentFeature: 'search' });

  window.renders = ++renders;
  return <p id="where">{me?.reviewerId} is at {me?.currentFeature}</p>;
}

function Events() {
  const { events } = useEvents({ types: ['task-status-changed'] });
  const queue = useOfflineQueue();

  return <ul id="events" aria-label="Events" data-queue={queue.size}>
    {events.map((e) => <li key={e.eventId}>{e.taskId}</li>)}
  </ul>;
}

createRoot(document.getElementById('root')).render(
  <StrictMode>
    <h1>The components</h1>
    <Queue />
    <MyComponent />
    <ConductorProvider url="/ws?user=ann&role=architect"
      delays={[100, 200]}>
      <Monitored />
      <ReviewerPresence />
      <Where />
      <Events />
    </ConductorProvider>
  </StrictMode>,
);

EOF_TSX

$t->write_file('script.js', $script);
rename $t->testdir() . '/script.js', $t->testdir() . '/app/script.js';
$t->run();

# a browser takes itself to be online as long as there is a cable

my $cable = Test::Conductor::Net->new($t)->cable();

my $bob = ws_connect($t, '/ws?user=bob&role=reviewer');
my $browser = browser();

$browser->open('http://localhost:4003/app/');


# The examples.

is(shows('#queue', qr/connected/), 'connected, 0 clear', 'a hook connects');
is($browser->js('return say()'), 'ack', 'and sends');
like(shows('.conductor-card', qr/Excellent|Good|Fair|Poor/),
    qr/(?:Excellent|Good|Fair|Poor).*\d+ ms.*0\s?%/s,
    'the card shows what was measured');
like(shows('header', qr/Excellent|Good|Fair|Poor/), qr/\d+ ms/,
    'so does the badge');
is($browser->js('return String(control())'), 'undefined',
    'measuring can be started and stopped by hand');


# Hooks and components below a provider.

like(shows('.conductor-presence', qr/bob/), qr/ann.*bob/s,
    'a list shows who is there') or diag($browser->text('body'));
is(shows('#where', qr/search/), 'ann is at search', 'and a hook who one is');

publish($t, { type => 'task-status-changed', taskId => "T$_" }) for 1 .. 3;
is(shows('#events', qr/T3/), "T1\nT2\nT3", 'events are listed');

my $renders = $browser->js('return renders');

publish($t, { type => 'task-status-changed', taskId => 'T4' });
like(shows('#events', qr/T4/), qr/T4/, 'another event comes');
is($browser->js('return renders'), $renders,
    'which renders nothing that it does not concern');

is((health($t))[1]{connections}, 4,
    'in StrictMode too each hook with a URL is one connection');


# Accessible in both schemes.

open my $axe, '<', "$CLIENT/node_modules/axe-core/axe.min.js"
    or die "axe-core: $!\n";
$browser->js(do { local $/; <$axe> });

for my $scheme (qw/ light dark /) {
    is(violations($scheme), '', "nothing serious is wrong with it in $scheme");
}


# Without a server, and with one again.

$t->stop();
like(shows('#queue', qr/waiting/), qr/^waiting, 0/, 'the server is away');
like(shows('.conductor-card', qr/Offline/), qr/Offline/, 'the card says so');
like(shows('header', qr/Offline/), qr/Offline/, 'the badge, too');
is(violations('light'), '', 'nothing serious is wrong with that');

$browser->js('window.said = [say(), say()]');
is(shows('#queue', qr/2 clear/), 'waiting, 2 clear', 'what is said is queued');
$browser->click('#queue button');
is(shows('#queue', qr/0 clear/), 'waiting, 0 clear', 'and can be cleared');
is($browser->js('return said[0]'), 'aborted', 'which its promise says');

$browser->js('window.said = say()');
$t->run();
is(shows('#queue', qr/connected, 0/), 'connected, 0 clear',
    'with a server, the queue is empty');
is($browser->js('return said'), 'ack', 'as it was done');
like(shows('.conductor-card', qr/Excellent|Good|Fair|Poor/),
    qr/Excellent|Good|Fair|Poor/, 'and it is measured again');

my $console = $browser->console();

unlike($console, qr/Warning|Uncaught|Cannot update|act\(/,
    'React has nothing to complain of');
like($console, qr/Queue size/, 'what is logged is what is printed');

$browser->stop();


# The text of an element, once it matches or after 20 seconds.
sub shows {
    my ($css, $re) = @_;
    my $text;

    wait_for(sub { ($text = $browser->text($css)) =~ $re }, 20);
    return $text;
}


# What axe finds serious or worse.
sub violations {
    my ($scheme) = @_;

    $browser->devtools('Emulation.setEmulatedMedia', { features => [
        { name => 'prefers-color-scheme', value => $scheme } ] });

    return $browser->js('return axe.run().then(({ violations }) => violations'
        . '.filter(({ impact }) => /serious|critical/.test(impact))'
        . '.map(({ id, nodes }) => `${id}: ${nodes[0].html}`).join("\n"))');
}
