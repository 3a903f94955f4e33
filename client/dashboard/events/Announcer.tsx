// Tells a screen reader of events, now and then.

import { useEffect, useRef, useState } from 'react';

import type { UnknownEvent } from '../../src/core/types.js';
import { headline } from './headlines.js';

const EVERY = 5000;

function words(events: readonly UnknownEvent[], count: number): string {
  const last = events[events.length - 1];

  if (last === undefined || count === 0) {
    return '';
  }

  const { title, change } = headline(last);
  const what = change === null ? title
    : `${title} from ${change[0]} to ${change[1]}`;

  return count === 1 ? what : `${count} new events, the last one: ${what}`;
}

/** A live region that sums up what came, every five seconds at most. */
export function Announcer({ events, total }: {
  readonly events: readonly UnknownEvent[];
  /** How many came in all. */
  readonly total: number;
}) {
  const [said, say] = useState({ text: '', total });
  const latest = useRef({ events, total });
  const waits = total !== said.total;

  useEffect(() => {
    latest.current = { events, total };
  });

  // what comes meanwhile does not put it off
  useEffect(() => {
    if (!waits) {
      return undefined;
    }

    const timer = setTimeout(() => {
      const now = latest.current;

      say((old) => ({
        text: words(now.events, now.total - old.total), total: now.total,
      }));
    }, said.text === '' ? 500 : EVERY);

    return () => clearTimeout(timer);
  }, [waits, said]);

  return <p className="unseen" role="status">{said.text}</p>;
}
