// One connection to a hub, lost and made again: the state machine.

import { createAlive } from './alive.js';
import { systemClock } from './clock.js';
import { readClose } from './codes.js';
import { createCommands } from './commands.js';
import { ConductorError } from './error.js';
import type { ClientErrorCode } from './error.js';
import { openLink } from './link.js';
import type { Link } from './link.js';
import { watchPage } from './page.js';
import { createRecovery } from './recovery.js';
import type { Recovery } from './recovery.js';
import { createRenewal } from './renewal.js';
import { createRetry } from './retry.js';
import { createTokens } from './token.js';
import type {
  Client, ClientOptions, Message, Send, SocketConstructor, State, Welcome,
} from './types.js';

// Milliseconds within which a held connection has to resume: the server
// waits for ten seconds.
const RESUME = 8_000;

// Milliseconds that the server has to answer when something seems wrong.
const SOON = 5_000;

/** A connection that is kept up. */
export interface Connection
  extends Pick<Client, 'state' | 'connect' | 'disconnect' | 'setToken'> {
  readonly recovery: Recovery;
  /** Sends now, or not at all. */
  readonly send: Send;
}

/**
 * Makes a {@link Connection}.
 *
 * @param changed - is called when the state is another one
 * @param hear - is called with each message that is not a repetition
 * @param unsure - is called when the next connection may be another user's
 */
export function createConnection(
  options: ClientOptions,
  changed: () => void,
  hear: (message: Message) => void,
  unsure: () => void,
): Connection {
  const { clock = systemClock } = options;
  const tokens = createTokens(options.token);
  const commands = createCommands(clock);
  let link: Link | undefined;
  // This connection may be the last one of its user.
  let doubt = false;
  let unwatch: (() => void) | undefined;

  let state: State = {
    status: 'idle', welcome: null, error: null,
    attempts: 0, retryAt: null, recovered: true,
  };

  const set = (patch: Partial<State>) => {
    const keys = Object.keys(patch) as (keyof State)[];

    if (keys.some((key) => patch[key] !== state[key])) {
      state = { ...state, ...patch };
      changed();
    }
  };

  const send: Send = (command, how = {}) => {
    const mine = link;
    const now = clock.now();
    const { status, welcome } = state;

    if (!mine || status !== 'connected') {
      return Promise.reject(new ConductorError(
        status === 'closed' ? 'closed' : 'disconnected',
        'there is no connection'));
    }

    const reply = commands.send(command, {
      send: mine.send,
      most: welcome?.limits?.maxMessage,
      timeout: how.timeout ?? options.timeout ?? 10_000,
      signal: how.signal,
    });

    // no answer may mean that nothing gets through at all
    reply.catch((error: ConductorError) => {
      if (error.code === 'timeout' && mine === link) {
        alive.doubt(now, SOON);
      }
    });

    return reply;
  };

  const alive = createAlive({
    clock,
    interval: options.aliveInterval ?? 30_000,
    ping: () => void send({ type: 'ping' }).catch(() => undefined),
    dead: () => lost(1006, 'silent'),
  });

  const renewal = createRenewal({
    clock,
    tokens,
    auth: (token) => send({ type: 'auth', token }),
    done(token) {
      doubt = false;
      link?.renewed(token);
    },
    reconnect(token) {
      doubt ||= token !== null;
      begin(token === undefined ? undefined : Promise.resolve(token));
    },
  });

  const recovery = createRecovery({
    options,
    clock,
    send: (command) =>
      send(command, command.type === 'resume' ? { timeout: RESUME } : {}),
    recovered: (recovered) => set({ recovered }),
    failed: (ms) => lost(1006, ms > 0 ? `resume retry=${ms}` : 'resume'),
  });

  const retry = createRetry(clock, options.delays, () => begin());

  // The connection is over; with `last`, no other follows by itself.
  const drop = (code: ClientErrorCode, last?: boolean) => {
    if (doubt) {
      doubt = false;
      unsure();
    }

    link?.close();
    link = undefined;
    alive.stop();
    renewal.stop();
    commands.fail(code, 'the connection was lost');
    recovery.lost(last ? code : undefined);
  };

  const begin = (token?: Promise<string | null>) => {
    // what is wrong with the options is said before anything happens
    const Socket = constructorOf(options);
    const url = addressOf(options.url);

    drop('disconnected');

    if (recovery.begin()) {
      url.searchParams.set('hold', '1');
    }

    retry.began(isLocal(url.hostname));
    set({
      status: 'connecting', attempts: state.attempts + 1, retryAt: null,
    });

    link = openLink({
      url: url.href,
      token: token ?? tokens.fetch(),
      Socket,
      clock,
      timeout: options.connectTimeout ?? 15_000,
      message: receive,
      lost,
    });
  };

  // Nothing follows by itself.
  const stop = (patch: Partial<State>, code: ClientErrorCode) => {
    drop(code, true);
    retry.stop();
    unwatch?.();
    unwatch = undefined;
    set({ ...patch, retryAt: null });
  };

  const lost = (code: number, reason: string, never = false) => {
    const verdict = readClose(code, reason);
    const final = never || verdict.final
      || verdict.token && tokens.refuse(link?.token ?? null);
    const error = { code, reason, final };

    // a token that did not come in time is asked for again
    if (reason === 'timeout') {
      tokens.forget();
    }

    if (final) {
      stop({ status: 'closed', error }, 'closed');
    } else {
      drop(verdict.fault ? 'closed' : 'disconnected');
      set({ status: 'waiting', error, retryAt: retry.plan(verdict) });
    }
  };

  const welcomed = (welcome: Welcome) => {
    tokens.accept();
    retry.connected();
    renewal.start(link?.token ?? null, welcome.timestamp);
    alive.start();
    set({
      status: 'connected', welcome, error: null, attempts: 0,
      recovered: true,
    });
    set({ recovered: recovery.welcome(welcome) });
  };

  const receive = (message: Message) => {
    alive.heard();

    if (message.type === 'welcome' && state.status === 'connecting') {
      welcomed(message as unknown as Welcome);
    } else if (commands.answer(message) === 'resume') {
      recovery.agreed();
    }

    if (recovery.take(message)) {
      hear(message);
    }
  };

  // Something has happened to the network, or to the page.
  const look = (hurry: boolean) => {
    if (state.status === 'connected') {
      alive.ask(SOON);
    } else if (state.status === 'waiting') {
      set({ retryAt: retry.replan(hurry) });
    }
  };

  const connect = () => {
    const { status } = state;

    if (status === 'connecting' || status === 'connected') {
      return;
    }

    if (status !== 'waiting') {
      retry.stop(true);
      tokens.accept();
    }

    begin();
    unwatch ??= watchPage({
      online: () => look(true),
      shown: () => look(true),
      offline: () => look(false),
      hidden: recovery.save,
    });
  };

  return {
    get state() {
      return state;
    },
    recovery,
    send,
    connect,

    disconnect() {
      if (state.status !== 'idle') {
        stop({ status: 'idle', error: null, attempts: 0 }, 'disconnected');
      }
    },

    setToken(source) {
      const { status } = state;
      // who logs out makes nobody speak
      const other = source !== undefined;

      if (!tokens.set(source)) {
        return;
      }

      if (status === 'connected') {
        doubt = other;
        renewal.now();
        return;
      }

      if (other) {
        unsure();
      }

      if (status === 'closed') {
        other && connect();
      } else if (status !== 'idle') {
        begin();
      }
    },
  };
}

function addressOf(given: string | URL): URL {
  const base = typeof location === 'undefined' ? undefined : location.href;
  const url = new URL(given, base);

  url.protocol = url.protocol.replace(/^http/, 'ws');
  url.hash = '';
  return url;
}

function isLocal(host: string): boolean {
  return /^(?:(?:.+\.)?localhost|127\.0\.0\.1|\[::1])$/.test(host);
}

function constructorOf(options: ClientOptions): SocketConstructor {
  const found = options.WebSocket
    ?? (globalThis as { WebSocket?: unknown }).WebSocket;

  if (!found) {
    throw new TypeError('there is no WebSocket here: give one to the client');
  }

  return found as SocketConstructor;
}
