// The hook of a connection: how it is, and how to send.

import { useContext, useMemo, useSyncExternalStore } from 'react';
import type { Client, Send, State, Status } from '../core/types.js';
import { SessionContext, useOwnSession } from './context.js';
import { IDLE } from './session.js';
import type { ConnectionOptions, Session } from './session.js';

/** What {@link useWebSocket} gives. */
export interface Connection {
  readonly status: Status;
  /** All that is known of the connection. */
  readonly state: State;
  readonly connectionId: string | null;
  readonly userId: string | null;
  /** The roles, with commas between them. */
  readonly role: string | null;
  /** Where events are now; reading it renders nothing again. */
  readonly lastEventId: string | null;
  /** How many commands wait for the connection. */
  readonly queueSize: number;
  /** Forgets the commands that wait. */
  readonly clearQueue: () => void;
  readonly send: Send;
  readonly connect: () => void;
  readonly disconnect: () => void;
  readonly subscribe: Client['subscribe'];
  readonly unsubscribe: Client['unsubscribe'];
  readonly client: Client;
}

/**
 * A connection: with options one of the component's own, without them that
 * of the {@link ConductorProvider} above.  The component is rendered again
 * when the connection's state or the size of the queue has changed.
 *
 * @example
 * ```tsx
 * const ws = useWebSocket({ url: 'ws://localhost:4003', token });
 * return <p>{ws.status}, {ws.queueSize} waiting</p>;
 * ```
 */
export function useWebSocket(options?: ConnectionOptions): Connection {
  const above = useContext(SessionContext);
  const session = useOwnSession(options) ?? above;

  if (!session) {
    throw new Error(
      'useWebSocket needs options, or a ConductorProvider above');
  }

  const state = useClientState(session);
  const queueSize = useSyncExternalStore(session.listen,
    () => session.queue?.size ?? 0, () => 0);
  const methods = useMemo(() => methodsOf(session), [session]);

  return useMemo(() => {
    const { welcome } = state;

    return {
      ...methods, state, queueSize,
      status: state.status,
      connectionId: welcome?.connectionId ?? null,
      userId: welcome?.userId ?? null,
      role: welcome?.role ?? null,
      get lastEventId() {
        return session.client.lastEventId;
      },
    };
  }, [methods, session, state, queueSize]);
}

/** The state of a session's client. */
export function useClientState(session: Session): State {
  return useSyncExternalStore(session.listen,
    () => session.client.state, () => IDLE);
}

function methodsOf(session: Session) {
  const { client } = session;

  return {
    client,
    send: client.send,
    // without an address there is nothing to connect to
    connect: () => void (client.options.url === '' || client.connect()),
    disconnect: () => client.disconnect(),
    subscribe: client.subscribe.bind(client),
    unsubscribe: client.unsubscribe.bind(client),
    clearQueue: () => session.queue?.clear(),
  };
}
