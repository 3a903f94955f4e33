// What was refused since the server started, by reason.

import { plain } from '../app/words.js';
import { brief } from './samples.js';

const SHOWN = 3;

interface Props {
  readonly refusals: Readonly<Record<string, number>>;
}

/** The most frequent reasons as bars; the others in one. */
export function Refusals({ refusals }: Props) {
  const sorted = Object.entries(refusals).sort((a, b) => b[1] - a[1]
    || a[0].localeCompare(b[0]));
  const rest = sorted.slice(SHOWN).reduce((all, [, count]) => all + count, 0);
  const shown = sorted.slice(0, SHOWN);
  const most = shown[0]?.[1] ?? 1;

  if (rest > 0) {
    shown.push(['other reasons', rest]);
  }

  if (shown.length === 0) {
    return <p className="soft">Nothing since it started.</p>;
  }

  return (
    <ul className="bars" role="list">
      {shown.map(([reason, count]) => (
        <li key={reason}>
          <span>{plain(reason)}</span>
          <b>{brief(count)}</b>
          <svg viewBox="0 0 100 4" preserveAspectRatio="none"
            aria-hidden="true">
            <rect width={Math.min(100, count / most * 100)} height="4" />
          </svg>
        </li>
      ))}
    </ul>
  );
}
