// The client: one connection to a hub, lost and made again.

import { createAlive } from './alive.js';
import { createChanges } from './changes.js';
import { systemClock } from './clock.js';
import { readClose } from './codes.js';
import { aborted, createCommands } from './commands.js';
import { ConductorError } from './error.js';
import type { ClientErrorCode } from './error.js';
import { openLink } from './link.js';
import type { Link } from './link.js';
import { createListeners } from './listeners.js';
import type { Listeners } from './listeners.js';
import { watchPage } from './page.js';
import { createPosition } from './position.js';
import { createRenewal } from './renewal.js';
import { createRetry } from './retry.js';
import { createSubscriptions } from './subscriptions.js';
import { createTokens } from './token.js';
import type {
  Client, ClientOptions, Command, Message, Outbox, Resumed, Send,
  SendOptions, SocketConstructor, State, Welcome,
} from './types.js';

// The same token is refused so often before it is clear that no other comes.
const REFUSALS = 4;

// Milliseconds within which a held connection has to resume: the server
// waits for ten seconds.
const RESUME = 8_000;

// Milliseconds that the server has to answer when the network seems to have
// changed.
const SOON = 5_000;

/** Makes a client; it connects when {@link Client.connect} is called. */
export function createClient(options: ClientOptions): Client {
  const clock = options.clock ?? systemClock;
  const { connectTimeout = 15_000, timeout = 10_000 } = options;

  const heard = new Map<string, Listeners<[Message]>>();
  const changes = createChanges(clock);
  const moves = createChanges(clock);
  const tokens = createTokens(options.token);
  const position = createPosition(options);
  const commands = createCommands(clock);

  let state: State = {
    status: 'idle', welcome: null, error: null,
    attempts: 0, retryAt: null, recovered: true,
  };

  let link: Link | undefined;
  let outbox: Outbox | undefined;
  let unwatch: (() => void) | undefined;

  // on hold, nothing that comes moves the position
  let held = false;
  let complete = true;

  let refused: string | null | undefined;
  let refusals = 0;

  const set = (patch: Partial<State>) => {
    const keys = Object.keys(patch) as (keyof State)[];

    if (keys.some((key) => patch[key] !== state[key])) {
      state = { ...state, ...patch };
      changes.tell();
    }
  };

  const transmit = (command: Command, how: SendOptions = {}) => {
    const mine = link;

    if (!mine || state.status !== 'connected') {
      return Promise.reject(new ConductorError(
        state.status === 'closed' ? 'closed' : 'disconnected',
        'there is no connection'));
    }

    const now = clock.now();
    const reply = commands.send((text) => {
      const most = state.welcome?.limits?.maxMessage ?? Infinity;

      // the server would close the connection
      if (text.length * 3 > most
        && new TextEncoder().encode(text).length > most)
      {
        throw new ConductorError('too_large', `larger than ${most} bytes`);
      }

      mine.send(text);
    }, command, how.timeout ?? timeout, how.signal);

    // no answer may mean that nothing gets through at all
    reply.catch((error: ConductorError) => {
      if (error.code === 'timeout' && mine === link) {
        alive.doubt(now, SOON);
      }
    });

    return reply;
  };

  const subscriptions = createSubscriptions(
    options.subscriptions,
    (command) => transmit(command,
      command.type === 'resume' ? { timeout: RESUME } : {}),
  );

  const alive = createAlive({
    clock,
    interval: options.aliveInterval ?? 30_000,
    ping: () => void transmit({ type: 'ping' }).catch(() => undefined),
    dead: () => lost(1006, 'silent'),
  });

  const renewal = createRenewal({
    clock,
    tokens,
    auth: (token) => transmit({ type: 'auth', token }),
    done: (token) => {
      link?.renewed(token);
    },
    reconnect: (token) =>
      begin(token === undefined ? undefined : Promise.resolve(token)),
  });

  const retry = createRetry(clock, options.delays, () => begin());

  // The connection is over, whatever follows.
  const drop = (code: ClientErrorCode = 'disconnected') => {
    link?.close();
    link = undefined;
    alive.stop();
    renewal.stop();
    commands.fail(code, 'the connection was lost');
    subscriptions.lost();
  };

  const begin = (token?: Promise<string | null>) => {
    held = subscriptions.own || position.since !== null;

    const url = addressOf(options.url, held);
    const Socket = constructorOf(options);

    drop();
    retry.began();
    set({
      status: 'connecting', attempts: state.attempts + 1, retryAt: null,
    });

    link = openLink({
      url,
      token: token ?? tokens.fetch(),
      Socket,
      clock,
      timeout: connectTimeout,
      message: receive,
      lost,
    });
  };

  // Nothing follows by itself.
  const stop = (patch: Partial<State>, code: ClientErrorCode) => {
    drop(code);
    retry.stop();
    subscriptions.lost(code);
    unwatch?.();
    unwatch = undefined;
    position.save();
    set({ ...patch, retryAt: null });
  };

  const isTokenHopeless = (token: string | null) => {
    refusals = token === refused ? refusals + 1 : 1;
    refused = token;
    return !tokens.renewable || refusals >= REFUSALS;
  };

  const lost = (code: number, reason: string, never = false) => {
    const verdict = readClose(code, reason);
    const token = link?.token ?? null;
    const final = never || verdict.final
      || verdict.token && isTokenHopeless(token);
    const error = { code, reason, final };

    if (final) {
      stop({ status: 'closed', error }, 'closed');
      return;
    }

    drop(verdict.fault ? 'closed' : 'disconnected');
    position.save();

    // a token that did not come in time is asked for again
    if (reason === 'timeout') {
      tokens.forget();
    }

    set({ status: 'waiting', error, retryAt: retry.plan(verdict) });
  };

  const resume = async (since: string, here: string) => {
    const mine = link;

    try {
      const good = await subscriptions.restore(since, here);

      if (!good && mine === link) {
        complete = false;
        set({ recovered: false });
      }
    } catch (error) {
      if (mine === link) {
        const { retryAfterMs } = error as ConductorError;

        lost(1006, retryAfterMs ? `resume retry=${retryAfterMs}` : 'resume');
      }
    }
  };

  const welcomed = (welcome: Welcome) => {
    const here = welcome.lastEventId;

    complete = position.welcome(welcome);
    refusals = 0;
    retry.connected();
    renewal.start(link?.token ?? null, welcome.timestamp);
    alive.start();
    set({
      status: 'connected', welcome, error: null,
      attempts: 0, recovered: complete,
    });

    if (position.since === null || !held) {
      position.move(here);
    }

    if (held) {
      void resume(position.since ?? here, here);
    } else {
      subscriptions.begin();
    }
  };

  // Gives false for what this client has had before.
  const take = (message: Message) => {
    switch (message.type) {
      case 'welcome':
        if (state.status === 'connecting') {
          welcomed(message as unknown as Welcome);
        }
        return true;

      case 'ack':
      case 'error':
      case 'pong':
        if (commands.answer(message) === 'resume' && message.type === 'ack') {
          held = false;
        }

        if (!held && message.type === 'pong') {
          position.move(message.lastEventId);
        }
        return true;

      case 'resumed': {
        const { recovered, lastEventId } = message as unknown as Resumed;

        held = false;
        position.move(lastEventId);
        set({ recovered: recovered && complete });
        return true;
      }
    }

    if (typeof message.eventId !== 'string') {
      return true;
    }

    if (!held) {
      position.move(message.eventId);
    }

    return position.isNew(message.eventId);
  };

  const receive = (message: Message) => {
    alive.heard();

    if (take(message)) {
      moves.tell();
      heard.get(message.type)?.call(message);
      heard.get('*')?.call(message);
    }
  };

  const hurry = () => {
    if (state.status === 'connected') {
      alive.ask(SOON);
    } else if (state.status === 'waiting') {
      set({ retryAt: retry.replan(true) });
    }
  };

  const connect = () => {
    const { status } = state;

    if (status === 'connecting' || status === 'connected') {
      return;
    }

    if (status !== 'waiting') {
      retry.stop(true);
      refusals = 0;
      state = { ...state, attempts: 0, error: null };
    }

    unwatch ??= watchPage({
      online: hurry,
      shown: hurry,
      hidden: position.save,
      offline: () => {
        if (state.status === 'connected') {
          alive.ask(SOON);
        } else if (state.status === 'waiting') {
          set({ retryAt: retry.replan(false) });
        }
      },
    });

    begin();
  };

  const send: Send = (command, how = {}) => {
    if (how.signal?.aborted) {
      return Promise.reject(aborted());
    }

    return outbox && how.queue !== false
      ? outbox.push(command, how) : transmit(command, how);
  };

  moves.on(position.save);

  return {
    options,
    get state() {
      return state;
    },
    get lastEventId() {
      return position.since;
    },
    onChange: changes.on,

    on(type, listener) {
      let listeners = heard.get(type);

      if (!listeners) {
        heard.set(type, listeners = createListeners<[Message]>());
      }

      return listeners.add(listener as unknown as (message: Message) => void);
    },

    connect,

    disconnect() {
      if (state.status !== 'idle') {
        stop({ status: 'idle', error: null, attempts: 0 }, 'disconnected');
      }
    },

    send,
    subscribe: (channel, filter) =>
      subscriptions.want(channel, true, filter),
    unsubscribe: (channel) => subscriptions.want(channel, false),

    setToken(source) {
      if (!tokens.set(source)) {
        return;
      }

      refusals = 0;

      if (state.status === 'connected') {
        renewal.now();
      } else if (state.status === 'closed' && source !== undefined) {
        connect();
      } else if (state.status !== 'idle' && state.status !== 'closed') {
        begin();
      }
    },

    attach(queue) {
      outbox = queue;

      return () => {
        if (outbox === queue) {
          outbox = undefined;
        }
      };
    },
  };
}

function addressOf(given: string | URL, hold: boolean): string {
  const base = typeof location === 'undefined' ? undefined : location.href;
  const url = new URL(given, base);

  url.protocol = url.protocol.replace(/^http/, 'ws');
  url.hash = '';

  if (hold) {
    url.searchParams.set('hold', '1');
  }

  return url.href;
}

function constructorOf({ WebSocket: given }: ClientOptions) {
  const found = given
    ?? (globalThis as { WebSocket?: unknown }).WebSocket as
      SocketConstructor | undefined;

  if (!found) {
    throw new TypeError('there is no WebSocket here: give one to the client');
  }

  return found;
}
