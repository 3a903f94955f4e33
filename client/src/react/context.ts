// How a component finds its connection.

import {
  createContext, useContext, useEffect, useLayoutEffect, useRef, useState,
} from 'react';
import type { Client, TokenSource } from '../core/types.js';
import { openSession, sessionOf } from './session.js';
import type { ConnectionOptions, Session } from './session.js';

/** The connection of the provider above; null if there is none. */
export const SessionContext = createContext<Session | null>(null);

/** As useLayoutEffect, but silent where there is no page. */
export const useEarlyEffect =
  typeof document === 'undefined' ? useEffect : useLayoutEffect;

/** The session of a client, or of the provider above. */
export function useSession(client?: Client | null): Session {
  const above = useContext(SessionContext);
  const session = client ? sessionOf(client) : above;

  useEarlyEffect(() => {
    session?.start(false);
    return () => session?.stop();
  }, [session]);

  if (!session) {
    throw new Error(
      'no connection here: give options, or put a ConductorProvider above');
  }

  return session;
}

/**
 * A connection of the component's own, which ends with it.  Options may be
 * written in place: they are compared by value, and a token function may be
 * another one each time.
 */
export function useOwnSession(options: ConnectionOptions): Session;
export function useOwnSession(
  options: ConnectionOptions | undefined,
): Session | null;
export function useOwnSession(
  options: ConnectionOptions | undefined,
): Session | null {
  const key = options ? keyOf(options) : '';
  const latest = useRef(options);
  const make = () => ({ key, session: options
    ? openSession(withToken(options, latest)) : null });

  const [held, hold] = useState(make);
  let current = held;

  if (held.key !== key) {
    current = make();
    hold(current);
  }

  const { session } = current;
  const connects = !!options?.url && options.enabled !== false;
  const token = fixed(options?.token);
  const known = useRef({ session, token, connects });

  useEarlyEffect(() => {
    latest.current = options;
  });

  useEarlyEffect(() => {
    session?.start(connects);
    return () => session?.stop();
  }, [session, connects]);

  useEarlyEffect(() => {
    const before = known.current;

    known.current = { session, token, connects };

    if (before.session === session && before.token !== token) {
      session?.client.setToken(sourceOf(options?.token, latest));
    }

    if (before.session === session && before.connects && !connects) {
      session?.client.disconnect();
    }
  }, [session, token, connects]);

  return session;
}

/** Everything that makes another connection, as text. */
function keyOf(options: ConnectionOptions): string {
  const { token, enabled, WebSocket, clock, resume, ...rest } = options;

  return JSON.stringify([rest, resume?.key, String(options.url)],
    (_, value: unknown) => isPart(value) ? null : value);
}

/** A store or a lock manager: it is what it is. */
function isPart(value: unknown): boolean {
  return typeof value === 'object' && value !== null
    && ('getItem' in value || 'request' in value);
}

function withToken(
  options: ConnectionOptions, latest: Latest,
): ConnectionOptions {
  return { ...options, token: sourceOf(options.token, latest) };
}

type Latest = { readonly current: ConnectionOptions | undefined };

/** A token, or a function that calls the one of the last render. */
function sourceOf(
  token: TokenSource | undefined, latest: Latest,
): TokenSource | undefined {
  return typeof token !== 'function' ? token : () => {
    const now = latest.current?.token;

    return typeof now === 'function' ? now() : now;
  };
}

/** What of a token tells that it is another one. */
function fixed(token: TokenSource | undefined): string | undefined {
  return typeof token === 'function' ? '()' : token;
}
