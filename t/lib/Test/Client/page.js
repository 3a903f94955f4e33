// A page that uses the package as it was built, and keeps what it says.

import * as conductor from '/client/index.js';

const heard = [];       // every message
const states = [];      // every status, as it changed
const fetched = [];     // when tokens were

// Begins a client, and what else is asked for:
//
//     path              of the location, /ws
//     tokenFrom         a URL that each token is fetched from
//     queue, presence   true, or options
//     keep              a name: the position survives a reload of the page
//
// and what createClient() takes.
function begin({ path = '/ws', tokenFrom, queue, presence, keep, ...rest }) {
  const client = conductor.createClient({
    url: new URL(path, location.href),
    delays: [100, 200, 400],
    ...(keep && { resume: { store: localStorage, key: keep } }),
    ...(tokenFrom && { token: () => fetchToken(tokenFrom) }),
    ...rest,
  });

  states.push(client.state.status);

  client.on('*', (message) => heard.push(message));
  client.onChange(() => {
    if (states.at(-1) !== client.state.status) {
      states.push(client.state.status);
    }
  });

  Object.assign(window, { client });

  if (queue) {
    window.queue = conductor.createQueue(client,
      queue === true ? {} : queue);
  }

  if (presence) {
    window.presence = conductor.createPresence(client);
  }

  client.connect();
}

async function fetchToken(url) {
  fetched.push(Date.now());

  const response = await fetch(url, { cache: 'no-store' });
  return (await response.text()).trim();
}

// What becomes of a promise: { reply }, or what it was rejected with.
function outcome(promise) {
  return promise.then((reply) => ({ reply }), (error) => ({
    code: error.code,
    message: error.message,
    rateLimited: error.rateLimited,
    retryAfterMs: error.retryAfterMs,
  }));
}

// The numbers of the events that were heard, in their order.
function numbers() {
  return heard.filter(({ eventId, n }) => eventId && n !== undefined)
    .map(({ n }) => n);
}

Object.assign(window,
  { conductor, begin, outcome, heard, states, fetched, numbers });

document.body.dataset.ready = 'yes';
