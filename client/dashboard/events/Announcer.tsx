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
  const [text, setText] = useState('');
  const told = useRef(total);
  const newest = useRef(events);

  newest.current = events;

  useEffect(() => {
    if (total === told.current) {
      return undefined;
    }

    const timer = setTimeout(() => {
      setText(words(newest.current, total - told.current));
      told.current = total;
    }, text === '' ? 500 : EVERY);

    return () => clearTimeout(timer);
  }, [total, text]);

  return <p className="unseen" role="status">{text}</p>;
}
