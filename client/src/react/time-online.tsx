// How long somebody has been there.

import { memo } from 'react';
import { useTimeText } from './ticker.js';

/** What a {@link TimeOnline} is given. */
export interface TimeOnlineProps {
  /** Unix milliseconds, by the server's clock. */
  readonly since: number;
  /** By how much that is ahead of this one's, in milliseconds. */
  readonly skew?: number;
  /** Writes minutes; `5 min`, `2 h 5 min`, `3 d 4 h` unless told. */
  readonly format?: (minutes: number) => string;
}

/** A time that has passed; it is rendered again once a minute at most. */
export const TimeOnline = memo(function TimeOnline(
  { since, skew = 0, format = formatMinutes }: TimeOnlineProps,
) {
  const minutes = useTimeText((now) =>
    String(Math.max(0, Math.floor((now + skew - since) / 60_000))));

  return (
    <time className="conductor-time"
      dateTime={minutes && `PT${minutes}M`}>
      {minutes && format(Number(minutes))}
    </time>
  );
});

/** Minutes in words: `just now`, `5 min`, `2 h 5 min`, `3 d 4 h`. */
export function formatMinutes(minutes: number): string {
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);

  return minutes < 1 ? 'just now'
    : hours < 1 ? `${minutes} min`
    : days < 1 ? `${hours} h ${minutes % 60} min`
    : `${days} d ${hours % 24} h`;
}
