// The hook of presence: who is there, and what this client is doing.

import {
  useCallback, useEffect, useMemo, useSyncExternalStore,
} from 'react';
import { NOBODY } from '../core/presence.js';
import type { PresenceState } from '../core/presence.js';
import type { OwnPresence } from '../core/presence-voice.js';
import type { Client } from '../core/types.js';
import { useSession } from './context.js';
import { useClientState } from './use-web-socket.js';

/** What {@link usePresence} is given. */
export interface UsePresenceOptions extends OwnPresence {
  /** In place of the client of the provider above. */
  readonly client?: Client | null;
}

/** What {@link usePresence} gives. */
export interface PresenceResult extends PresenceState {
  /** There is no connection: this is how it was. */
  readonly stale: boolean;
  /** Says what this client is doing. */
  readonly set: (own: OwnPresence) => void;
}

/**
 * Who is there.  `status` and `currentFeature` say what this client is doing,
 * whenever they change.
 *
 * @example
 * ```tsx
 * const { reviewers, me } = usePresence({ currentFeature: pathname });
 * ```
 */
export function usePresence(
  options: UsePresenceOptions = {},
): PresenceResult {
  const { client, status, currentFeature } = options;
  const session = useSession(client);
  const presence = useSyncExternalStore(session.listen,
    () => session.presence?.state ?? NOBODY, () => NOBODY);
  const stale = useClientState(session).status !== 'connected';

  useEffect(() => session.follow(), [session]);

  useEffect(() => {
    if (status !== undefined || currentFeature !== undefined) {
      session.presence?.set({
        ...status !== undefined && { status },
        ...currentFeature !== undefined && { currentFeature },
      });
    }
  }, [session, status, currentFeature]);

  const set = useCallback(
    (own: OwnPresence) => session.presence?.set(own), [session]);

  return useMemo(() => ({ ...presence, stale, set }), [presence, set, stale]);
}
