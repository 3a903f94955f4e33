// What the programs render: every hook and every component.

import { createElement as h, StrictMode } from 'react';
import {
  ConductorProvider, ConnectionQualityBadge, ConnectionQualityCard,
  ReviewerPresence, useConnectionQuality, useEvents, useOfflineQueue,
  usePresence, useWebSocket,
} from 'ngx-conductor-client/react';

/** What a hook gave last, and how many commands waited at most. */
export const given = { most: 0 };

function Page() {
  const { status, send } = useWebSocket();
  const metrics = useConnectionQuality({ status, send });
  const { events } = useEvents({ types: ['task-status-changed'] });
  const queue = useOfflineQueue();

  usePresence({ currentFeature: 'search' });
  Object.assign(given, { send, most: Math.max(given.most, queue.size) });

  return h('main', null, h('p', null, status),
    h(ReviewerPresence),
    h(ConnectionQualityBadge, { status, metrics }),
    h(ConnectionQualityCard, { status, metrics }),
    h('ul', null, events.map((e) => h('li', { key: e.eventId }, e.taskId))));
}

/** The whole of it, connected by sockets of some kind. */
export const page = (WebSocket) => h(StrictMode, null,
  h(ConductorProvider, { url: 'ws://hub.test/', WebSocket }, h(Page)));

/** What React complains of. */
export const said = [];

console.error = (...words) => said.push(words.map(String).join(' '));
console.warn = console.error;
