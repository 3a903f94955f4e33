// A time of day, as this person writes it.

const FORMAT = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23',
});

const LONG = new Intl.DateTimeFormat(undefined, {
  dateStyle: 'medium', timeStyle: 'medium',
});

/** A Unix time in milliseconds as hours, minutes and seconds. */
export function clock(at: number): string {
  return FORMAT.format(at);
}

/** The same with its day, unless that is today. */
export function day(at: number): string {
  return new Date(at).toDateString() === new Date().toDateString()
    ? `at ${clock(at)}` : `on ${LONG.format(at)}`;
}

/** A time as an element that machines can read. */
export function Time({ at }: { readonly at: number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={LONG.format(at)}>
      {clock(at)}
    </time>
  );
}
