// Gives a tree of components one connection.

import { createElement, useState } from 'react';
import type { ReactElement, ReactNode } from 'react';
import { SessionContext, useEarlyEffect, useOwnSession } from './context.js';
import { adoptClient } from './session.js';
import type { ClientParts, ConnectionOptions } from './session.js';

/** What a {@link ConductorProvider} is given: options, or a client. */
export type ConductorProviderProps =
  (ConnectionOptions | ClientParts) & { readonly children?: ReactNode };

/**
 * Gives all components below one connection.  With options it makes the
 * client and ends the connection when it goes; a client that it is given is
 * connected, and stays so.
 *
 * @example
 * ```tsx
 * <ConductorProvider url="wss://example.com/ws" token={getToken}>
 *   <ReviewerPresence />
 * </ConductorProvider>
 * ```
 */
export function ConductorProvider(
  props: ConductorProviderProps,
): ReactElement {
  return 'client' in props
    ? createElement(Given, props) : createElement(Own, props);
}

function Own({ children, ...options }:
  ConnectionOptions & { readonly children?: ReactNode }): ReactElement {
  return createElement(SessionContext.Provider,
    { value: useOwnSession(options) }, children);
}

function Given({ client, queue, presence, children }:
  ClientParts & { readonly children?: ReactNode }): ReactElement {
  const make = () => ({ client, queue, presence, session: adoptClient({
    client, ...queue && { queue }, ...presence && { presence },
  }) });
  const [held, hold] = useState(make);
  let current = held;

  if (held.client !== client || held.queue !== queue
    || held.presence !== presence) {
    current = make();
    hold(current);
  }

  const { session } = current;

  useEarlyEffect(() => {
    session.start(true);
    return () => session.stop();
  }, [session]);

  return createElement(SessionContext.Provider, { value: session }, children);
}
