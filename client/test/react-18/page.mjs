// Takes over in a browser what a server has rendered, uses it, and leaves it.

import { createRequire } from 'node:module';

const { JSDOM } = createRequire(`${process.env.CLIENT}/`)('jsdom');
const { window } = new JSDOM('<div id="root"></div>',
  { url: 'http://localhost/', pretendToBeVisual: true });

Object.assign(globalThis, { window, document: window.document });
globalThis.navigator ??= window.navigator;

const { hydrateRoot } = await import('react-dom/client');
const { given, page, said } = await import('./parts.mjs');

const sockets = [];

/** A socket whose server lets everyone in and says yes to everything. */
class Socket {
  open = true;

  constructor() {
    sockets.push(this);
    setTimeout(() => this.say({
      type: 'welcome', connectionId: 'conn_1', message: '', userId: 'ann',
      role: null, timestamp: Date.now(), server: 's', lastEventId: '1-0',
      pingMs: 0, limits: { maxMessage: 1000, maxQueue: 1000 },
    }, {
      type: 'presence-list', total: 2, truncated: false, timestamp: 1,
      reviewers: ['ann', 'bob'].map((name) => ({
        reviewerId: name, userId: name, role: null, status: 'online',
        currentFeature: null, connectedAt: Date.now(),
      })),
    }));
  }

  say(...messages) {
    messages.forEach((message) => this.open
      && this.onmessage?.({ data: JSON.stringify(message) }));
  }

  send(text) {
    const { id, type } = JSON.parse(text);

    setTimeout(() => this.say(
      { type: type === 'ping' ? 'pong' : 'ack', id, timestamp: Date.now() }));
  }

  close() {
    this.open = false;
  }
}

/** Waits until something is so, ten seconds at most. */
async function until(so) {
  for (let n = 0; !so() && n < 1000; n++) {
    await new Promise((done) => setTimeout(done, 10));
  }
}

const root = window.document.getElementById('root');

root.innerHTML = process.env.HTML;

const tree = hydrateRoot(root, page(Socket),
  { onRecoverableError: (error) => said.push(String(error)) });

await until(() => /Excellent|Good|Fair|Poor/.test(root.textContent));
sockets[0].say({
  type: 'task-status-changed', taskId: 'T1', eventId: '1-1', timestamp: 1,
});
await until(() => /T1/.test(root.textContent));

const text = root.textContent;
const before = sockets.length;

sockets[0].onclose({ code: 1012, reason: 'retry=300' });

const answer = await given.send({ type: 'agent:a' });

tree.unmount();
await until(() => sockets.every(({ open }) => !open));

console.log(JSON.stringify({
  text, said,
  answer: answer.type,
  waiting: given.most,
  sockets: [before, sockets.length],
  left: sockets.filter(({ open }) => open).length,
}));
process.exit();
