// How the connection is, why, and what happens next.

import type { Client, State } from '../../src/core/types.js';
import { token } from '../app/link.js';
import { useNow } from '../app/useNow.js';
import { useOnline } from '../app/useOnline.js';
import { refusal, trouble } from '../app/words.js';

interface Props {
  readonly client: Client;
  readonly state: State;
}

function words(state: State, online: boolean): string {
  switch (state.status) {
    case 'connected':
      return 'Connected';
    case 'connecting':
      return state.error === null ? 'Connecting…' : trouble(state, online);
    case 'idle':
      return 'Offline, because you chose so.';
    case 'closed':
      return refusal(state, token().token !== undefined);
    default:
      return trouble(state, online);
  }
}

// A countdown that were read aloud every second would be a nuisance: it is
// beside what is announced.
function Next({ state }: { readonly state: State }) {
  const { status, retryAt } = state;
  const now = useNow(retryAt !== null);
  const online = useOnline();
  const seconds = Math.max(1, Math.ceil(((retryAt ?? now) - now) / 1000));

  return (
    <span id="next">
      {status === 'connecting' ? 'Trying now.'
        : retryAt !== null ? `Trying again in ${seconds} s.`
          : online ? '' : 'Waiting for the network.'}
    </span>
  );
}

/** A line with words, a countdown, and the button that fits. */
export function Connection({ client, state }: Props) {
  const online = useOnline();
  const { status } = state;
  const fails = state.error !== null
    && (status === 'waiting' || status === 'connecting');

  return (
    <div className="connection" data-status={status}>
      <p id="state" role="status">{words(state, online)}</p>
      {fails && <Next state={state} />}
      {fails && (
        <button id="again" type="button" onClick={() => client.connect()}
          aria-disabled={status === 'connecting'}>
          Connect now
        </button>
      )}
    </div>
  );
}
