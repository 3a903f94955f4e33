// What the types of the core let through, and what they do not.  This is
// compiled, and never run.

import { ConductorError, createClient, createEvents, trackNavigation }
  from 'ngx-conductor-client';
import type {
  Client, EventBase, EventOf, Reviewer, State, TaskStatusChanged,
} from 'ngx-conductor-client';
import NodeSocket from 'ws';

declare module 'ngx-conductor-client' {
  interface EventMap {
    'build-finished': EventBase & {
      type: 'build-finished'; build: number; ok: boolean;
    };
  }

  interface MessageMap {
    hint: { type: 'hint'; text: string };
  }
}

// True if two types are the same.
type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2)
    ? true : false;

function same<A, B>(_: Same<A, B>): void {
  // only its type counts
}

const client: Client = createClient({ url: 'wss://host/ws' });

// options

createClient({ url: new URL('https://host/ws'), token: 'abc' });
createClient({ url: '/ws', token: () => 'abc' });
createClient({ url: '/ws', token: async () => null });
createClient({
  url: '/ws',
  subscriptions: [{ channel: 'c', filter: { a: [1, 'x', null, true] } }],
  resume: { store: sessionStorage, key: 'k' },
});

// @ts-expect-error there has to be an address
createClient({ token: 'abc' });
// @ts-expect-error a token is a string
createClient({ url: '/ws', token: 5 });
// @ts-expect-error or a function that gives one
createClient({ url: '/ws', token: async () => 5 });
// @ts-expect-error a value of a filter is no object
createClient({ url: '/', subscriptions: [{ channel: 'c', filter: { a: {} } }] });
// @ts-expect-error there is no such option
createClient({ url: '/ws', hold: true });

// The sockets of the platform fit, and those of "ws".
createClient({ url: '/ws', WebSocket });
createClient({ url: '/ws', WebSocket: NodeSocket });
// @ts-expect-error others do not
createClient({ url: '/ws', WebSocket: EventTarget });

// events

client.on('task-status-changed', (event) => {
  same<typeof event, TaskStatusChanged>(true);
  same<typeof event.newStatus, string>(true);
});

client.on('build-finished', (event) => {
  same<typeof event.build, number>(true);
  same<typeof event.eventId, string>(true);
  // @ts-expect-error it has no such field
  event.colour;
});

client.on('hint', (message) => {
  same<typeof message.text, string>(true);
  // @ts-expect-error it is no event
  message.eventId;
});

client.on('whatever', (event) => {
  same<typeof event.eventId, string>(true);
  same<typeof event.colour, unknown>(true);
});

client.on('*', (message) => {
  same<typeof message.type, string>(true);
  same<typeof message.colour, unknown>(true);
});

client.on('welcome', ({ userId }) => same<typeof userId, string | null>(true));
client.on('resumed', ({ recovered }) => same<typeof recovered, boolean>(true));
client.on('error', ({ error }) => same<typeof error, string>(true));
client.on('presence-list', ({ reviewers }) =>
  same<typeof reviewers, readonly Reviewer[]>(true));
client.on('presence-diff', ({ left }) =>
  same<typeof left, readonly string[]>(true));
client.on('presence-update', ({ reviewerId }) =>
  same<typeof reviewerId, string>(true));

// @ts-expect-error a listener takes the event of its type
client.on('build-finished', (event: TaskStatusChanged) => event);

// Events are not changed, since all who listen get the same one.
client.on('task-status-changed', (event) => {
  // @ts-expect-error it is read only
  event.taskId = 'other';
});

// what ends a listener

const end: () => void = client.on('whatever', () => undefined);

end();

// commands

client.send({ type: 'ping' }, { timeout: 5, queue: false }).then((reply) => {
  same<typeof reply.id, string | number>(true);
  same<typeof reply.eventId, string | undefined>(true);
});

client.send({ type: 'agent:x', action: 'start_session', key: 'k' });
// @ts-expect-error a command has a type
client.send({ action: 'start_session' });
// @ts-expect-error a key is a string
client.send({ type: 'publish', key: 5 });

client.subscribe('c', { a: 1 }).catch((error: unknown) => {
  if (error instanceof ConductorError && error.code === 'rate_limited') {
    same<typeof error.retryAfterMs, number>(true);
  }
});

// @ts-expect-error a filter has values
client.subscribe('c', { a: undefined });

// state

const { state } = client;

same<typeof state, State>(true);

if (state.status === 'closed') {
  same<typeof state.error, State['error']>(true);
}

// @ts-expect-error it is changed by the client alone
client.state.status = 'idle';
// @ts-expect-error there is no such status
state.status === 'open';

// stores

const some = createEvents(client, { types: ['build-finished'] });
const all = createEvents(client, { limit: 5 });

same<(typeof some.events)[number], EventOf<'build-finished'>>(true);
same<typeof some.events[0]['ok'], boolean>(true);
all.events.map((event) => same<typeof event.eventId, string>(true));

// @ts-expect-error a store's events are not changed
some.events.push();

// navigation

trackNavigation(client, { feature: (url) => url.hash || null });
trackNavigation({ set: () => undefined }, { feature: () => null });
// @ts-expect-error somebody has to say what feature it is
trackNavigation(client, {});
