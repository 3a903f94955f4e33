// What of history is shown, and the means to go through it.

import { clock, day } from '../app/Time.js';
import type { Wanted } from './entries.js';
import type { Replay } from './useReplay.js';

interface Props {
  readonly replay: Replay;
  readonly wanted: Wanted;
}

function only({ feature, type }: Wanted): string {
  return [
    feature === '' ? '' : ` of the feature ${feature}`,
    type === '' ? '' : ` of the type ${type}`,
  ].join('');
}

function begins({ history, from }: Replay): string {
  return history?.complete === false
    ? 'Older ones are not held any more.'
    : `It begins ${day(from ?? 0)}, when this browser first came here.`;
}

function words(replay: Replay, wanted: Wanted): string {
  const { status, history } = replay;

  if (status === 'loading') {
    return 'Asking the server for what it still holds.';
  }

  if (status === 'failed' || history === null) {
    return 'It cannot be had: the server cannot be reached.';
  }

  const { events, complete } = history;

  if (events.length === 0) {
    return complete ? `No events${only(wanted)} yet. ${begins(replay)}`
      : 'The server does not hold what came before any more. From now on it'
        + ' can be replayed.';
  }

  return begins(replay);
}

// The slider says this to who cannot see it: a live region would go on and on
// while it plays.
function place({ history, position }: Replay, wanted: Wanted): string {
  const events = history?.events ?? [];
  const last = events[position - 1];

  return events.length === 0 ? ''
    : `Event ${position} of ${events.length}${only(wanted)}`
      + `${last === undefined ? '' : `, as of ${clock(last.timestamp)}`}. `;
}

/** Stands above the list while it shows the past. */
export function ReplayBar({ replay, wanted }: Props) {
  const length = replay.history?.events.length ?? 0;

  return (
    <div className="replay" role="group" aria-label="Replay">
      <p id="replay-text">
        <b>History</b> {place(replay, wanted)}
        <span aria-live="polite">{words(replay, wanted)}</span>
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
