// What of history is shown, and the means to go through it.

import { clock } from '../app/Time.js';
import type { Replay } from './useReplay.js';

function words({ status, history, from, position }: Replay): string {
  if (status === 'loading') {
    return 'Asking the server for what it still holds.';
  }

  if (status === 'failed' || history === null) {
    return 'History cannot be had: the server cannot be reached.';
  }

  const { events, complete } = history;

  if (events.length === 0) {
    return complete ? `No events since ${clock(from ?? 0)}, when this browser`
      + ' first came here.'
      : 'The server does not hold what came before any more. From now on it'
        + ' can be replayed.';
  }

  const last = events[Math.max(0, position - 1)];
  const older = complete ? '' : ' Older ones are not held any more.';

  return `Event ${position} of ${events.length}`
    + `${last === undefined ? '' : `, as of ${clock(last.timestamp)}`}.`
    + older;
}

/** Stands above the list while it shows the past. */
export function ReplayBar({ replay }: { readonly replay: Replay }) {
  const length = replay.history?.events.length ?? 0;

  return (
    <div className="replay" role="group" aria-label="Replay">
      <p id="replay-text" aria-live="polite">
        <b>History</b> <span>{words(replay)}</span>
      </p>
      {length > 0 && (
        <div className="replay-tools">
          <button type="button" id="play"
            onClick={() => replay.play(!replay.playing)}>
            {replay.playing ? 'Stop' : 'Play'}
          </button>
          <input id="position" type="range" min="0" max={length} step="1"
            value={replay.position} aria-label="Position in history"
            aria-valuetext={`event ${replay.position} of ${length}`}
            onChange={(event) => replay.move(Number(event.target.value))} />
        </div>
      )}
    </div>
  );
}
