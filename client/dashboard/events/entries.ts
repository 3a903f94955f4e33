// What the list shows: events, and between them what happened to the page.

import type { Fields, UnknownEvent } from '../../src/core/types.js';

/** Something that the page says itself, behind the event it came after. */
export interface Notice {
  readonly id: number;
  readonly at: number;
  readonly text: string;
  /** The `eventId` of the newest event then, null if there was none. */
  readonly after: string | null;
}

/** A row of the list. */
export type Entry =
  | { readonly kind: 'event'; readonly key: string;
    readonly event: UnknownEvent }
  | { readonly kind: 'notice'; readonly key: string; readonly notice: Notice };

/** What of the list is wanted; empty texts want everything. */
export interface Wanted {
  readonly feature: string;
  readonly type: string;
}

/** Whether a message is an event, and not the answer to a publication. */
export function isEvent(message: Fields): message is UnknownEvent {
  return typeof message['eventId'] === 'string'
    && message['id'] === undefined && message['type'] !== 'ack';
}

/** Whether an event is wanted, as the server itself compares. */
export function passes(event: UnknownEvent, wanted: Wanted): boolean {
  return (wanted.feature === '' || event['featureSlug'] === wanted.feature)
    && (wanted.type === '' || event.type === wanted.type);
}

/** Events and notices in one list, the newest first. */
export function entries(
  events: readonly UnknownEvent[], notices: readonly Notice[], wanted: Wanted,
): Entry[] {
  const behind = new Map<string | null, Notice[]>();
  const ids = new Set(events.map((event) => event.eventId));
  const list: Entry[] = [];

  for (const notice of notices) {
    const after = notice.after !== null && ids.has(notice.after)
      ? notice.after : null;

    behind.set(after, [...behind.get(after) ?? [], notice]);
  }

  function tell(after: string | null): void {
    for (const notice of behind.get(after) ?? []) {
      list.push({ kind: 'notice', key: `notice-${notice.id}`, notice });
    }
  }

  tell(null);

  for (const event of events) {
    if (passes(event, wanted)) {
      list.push({ kind: 'event', key: event.eventId, event });
    }

    tell(event.eventId);
  }

  return list.reverse();
}
