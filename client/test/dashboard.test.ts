// What the dashboard makes of events, figures and drafts, without a page.

import { describe, expect, it } from 'vitest';
import { entries, isEvent, type Notice } from '../dashboard/events/entries.js';
import { headline } from '../dashboard/events/headlines.js';
import { filterOf } from '../dashboard/events/useFilter.js';
import { brief, sample } from '../dashboard/figures/samples.js';
import {
  after, curl, eventOf, FIRST,
} from '../dashboard/publish/drafts.js';
import type { UnknownEvent } from '../src/index.js';

function task(eventId: string, fields = {}): UnknownEvent {
  return {
    type: 'task-status-changed', taskId: `T${eventId}`, featureSlug: 'search',
    oldStatus: 'InQA', newStatus: 'Done', timestamp: 1, eventId, ...fields,
  };
}

function notice(id: number, behind: string | null): Notice {
  return { id, at: 1, text: '', after: behind };
}

const ALL = { feature: '', type: '' };

describe('the list of events', () => {
  it('has the newest first, and notices where they belong', () => {
    const list = entries([task('1'), task('2')],
      [notice(7, null), notice(8, '1'), notice(9, '2')], ALL);

    expect(list.map((entry) => entry.key))
      .toEqual(['notice-9', '2', 'notice-8', '1', 'notice-7']);
  });

  it('keeps notices whose event is not kept any more', () => {
    expect(entries([task('2')], [notice(8, '1')], ALL).map(({ key }) => key))
      .toEqual(['2', 'notice-8']);
  });

  it('has only what is wanted, and all notices', () => {
    const list = entries([task('1'), task('2', { featureSlug: 'other' })],
      [notice(8, '2')], { feature: 'search', type: '' });

    expect(list.map(({ key }) => key)).toEqual(['notice-8', '1']);
  });

  it('takes no answer for an event', () => {
    expect(isEvent(task('1'))).toBe(true);
    expect(isEvent({ type: 'ack', id: 1, eventId: '1' })).toBe(false);
    expect(isEvent({ type: 'pong', id: 1, lastEventId: '1' })).toBe(false);
  });

  it('asks the server for what is wanted and nothing else', () => {
    expect(filterOf(ALL)).toEqual({});
    expect(filterOf({ feature: 'a', type: 'b' }))
      .toEqual({ featureSlug: 'a', type: 'b' });
  });
});

describe('a headline', () => {
  it('shows every field of an event once', () => {
    const { title, change, feature, rest } =
      headline(task('1', { estimate: 3, tags: ['a'] }));

    expect(title).toBe('T1');
    expect(change).toEqual(['InQA', 'Done']);
    expect(feature).toBe('search');
    expect(rest).toEqual([['estimate', '3'], ['tags', '["a"]']]);
  });

  it('is the type of an event that is not known', () => {
    expect(headline({ type: 'other', n: null, eventId: '1', timestamp: 1 }))
      .toEqual({
        title: 'other', change: null, feature: null, rest: [['n', 'null']],
      });
  });

  it('says who speaks in a notification', () => {
    expect(headline({
      type: 'admin-notification', level: 'warning', message: 'Restart at 5',
    }).title).toBe('warning: Restart at 5');
  });
});

describe('a draft', () => {
  it('is an event without its empty fields', () => {
    expect(eventOf(FIRST)).toEqual({
      type: 'task-status-changed', taskId: 'T01', oldStatus: 'InProgress',
      featureSlug: 'websocket-realtime-system', newStatus: 'InReview',
    });
    expect(eventOf({ ...FIRST, type: 'stakeholder-review', comment: 'ok' }))
      .toEqual({
        type: 'stakeholder-review', comment: 'ok', verdict: 'approved',
        featureSlug: 'websocket-realtime-system',
      });
  });

  it('goes on to the next step of the task, and around', () => {
    const next = after(FIRST);

    expect([next.oldStatus, next.newStatus]).toEqual(['InReview', 'InQA']);
    expect(after({ ...FIRST, newStatus: 'Done' }).newStatus)
      .toBe('ReadyForDevelopment');
  });

  it('is a line for a shell, whatever is in it', () => {
    const line = curl({ ...FIRST, taskId: "it's" },
      new URL('https://localhost:5111/publish'));

    expect(line).toMatch(/^curl -k -H 'Content-Type: application\/json' -d '/);
    expect(line).toContain("\"taskId\":\"it'\\''s\"");
    expect(line).toMatch(/' https:\/\/localhost:5111\/publish$/);
  });
});

describe('a sample of the figures', () => {
  const first = {
    conductor_start_time_seconds: 5,
    websocket_connections_total: 2,
    websocket_messages_sent_total: { welcome: 2, 'task-status-changed': 8 },
    websocket_message_latency_ms: { count: 1, p50: 0.5, p95: 2, p99: null },
    conductor_handshake_refusals_total: { bad_token: 1, revoked: 0 },
    websocket_errors_total: { forbidden: 2 },
    conductor_publications_refused_total: { forbidden: 3 },
  };

  it('has the sums that the charts show', () => {
    const { connections, sent, rate, latency, refusals } = sample(first, 0);

    expect({ connections, sent, rate }).toEqual({
      connections: 2, sent: 10, rate: null,
    });
    expect(latency).toEqual({ p50: 0.5, p95: 2, p99: null });
    expect(refusals).toEqual({ bad_token: 1, forbidden: 5 });
  });

  it('tells a rate from the one before it', () => {
    const more = {
      ...first, websocket_messages_sent_total: { welcome: 15 },
    };

    expect(sample(more, 2000, sample(first, 0)).rate).toBe(2.5);
  });

  it('tells none over a restart of the server', () => {
    const anew = { ...first, conductor_start_time_seconds: 6 };

    expect(sample(anew, 2000, sample(first, 0)).rate).toBeNull();
  });

  it('survives an answer that has nothing of it', () => {
    expect(sample({}, 0)).toMatchObject({ connections: 0, refusals: {} });
  });

  it('is written with few digits', () => {
    expect([null, 0, 0.123, 12.34, 1234.5].map(brief))
      .toEqual(['–', '0', '0.12', '12.3', '1,235']);
  });
});
