// A clock that is moved by hand, sockets that say what they are told, and a
// client on top of them.

import { createClient } from '../src/index.js';
import type {
  Client, ClientOptions, Clock, Fields, Socket, Store, Welcome,
} from '../src/index.js';

/** Lets everything run that waits for nothing but its turn. */
export async function settle(turns = 30): Promise<void> {
  for (let i = 0; i < turns; i++) {
    await Promise.resolve();
  }
}

/** Time that passes only when it is told to. */
export class FakeClock implements Clock {
  time = 1_000_000;
  chance = 0.5;
  private timers: { at: number; call: () => void }[] = [];

  now = () => this.time;
  random = () => this.chance;

  setTimeout = (call: () => void, ms: number): unknown => {
    const timer = { at: this.time + ms, call };

    this.timers.push(timer);
    return timer;
  };

  clearTimeout = (timer: unknown): void => {
    this.timers = this.timers.filter((other) => other !== timer);
  };

  /** How many timers are set. */
  get pending(): number {
    return this.timers.length;
  }

  /** Sets the time of day; timers go on as if nothing had happened. */
  set(ms: number): void {
    this.time += ms;
    this.timers.forEach((timer) => {
      timer.at += ms;
    });
  }

  /** Lets time pass, and all happen that is due in it. */
  async pass(ms = 0): Promise<void> {
    const end = this.time + ms;

    for (;;) {
      await settle();

      const next = this.timers
        .filter(({ at }) => at <= end)
        .reduce<{ at: number; call: () => void } | undefined>(
          (first, timer) => !first || timer.at < first.at ? timer : first,
          undefined,
        );

      if (!next) {
        break;
      }

      this.clearTimeout(next);
      this.time = Math.max(this.time, next.at);
      next.call();
    }

    this.time = end;
  }
}

/** A socket of which the test plays the server. */
export class FakeSocket implements Socket {
  readyState = 0;
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  onerror: Socket['onerror'] = null;

  /** What the client has sent. */
  readonly sent: (Fields & { type: string; id: number })[] = [];
  /** Whether the client has closed it. */
  closed = false;

  constructor(readonly url: string, readonly protocols: string[]) {}

  send(data: string): void {
    if (this.readyState !== 1) {
      throw new Error('not open');
    }

    this.sent.push(JSON.parse(data));
  }

  close(): void {
    this.readyState = 3;
    this.closed = true;
  }

  /** The token that it was opened with. */
  get token(): string | undefined {
    return this.protocols[1]?.replace('bearer.', '');
  }

  /** The server says something. */
  say(message: Fields): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** The server accepts the handshake and says so. */
  welcome(fields: Partial<Welcome> = {}): void {
    this.readyState = Math.max(this.readyState, 1);
    this.onopen?.({});
    this.say({
      type: 'welcome', connectionId: 'conn_1', userId: 'ann', role: 'user',
      message: '', server: 's', lastEventId: '1-0', pingMs: 0,
      timestamp: 1_000_000, limits: { maxMessage: 1000, maxQueue: 1 },
      ...fields,
    });
  }

  /** The connection ends. */
  end(code = 1006, reason = ''): void {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }

  /** The last command of a type. */
  last(type: string): (Fields & { type: string; id: number }) | undefined {
    return this.sent.filter((command) => command.type === type).at(-1);
  }

  /** The server answers the last command of a type. */
  answer(type: string, fields: Fields = {}): void {
    this.say({ type: 'ack', id: this.last(type)?.id, ...fields });
  }

  /** The server refuses the last command of a type. */
  refuse(type: string, code: string, fields: Fields = {}): void {
    this.answer(type, { type: 'error', code, error: code, ...fields });
  }
}

/** Storage in memory; `full` refuses to take more, `forbidden` all. */
export class FakeStore implements Store {
  readonly items = new Map<string, string>();
  full = false;
  forbidden = false;

  getItem = (key: string) => this.open().get(key) ?? null;
  removeItem = (key: string) => void this.open().delete(key);

  setItem = (key: string, value: string) => {
    if (this.full) {
      throw new Error('QuotaExceededError');
    }

    this.open().set(key, value);
  };

  private open(): Map<string, string> {
    if (this.forbidden) {
      throw new Error('SecurityError');
    }

    return this.items;
  }
}

/** A client, its clock, and every socket that it has made. */
export interface Fake {
  readonly client: Client;
  readonly clock: FakeClock;
  readonly sockets: FakeSocket[];
  /** The newest socket. */
  readonly socket: FakeSocket;
  /** Connects, and has the server say welcome. */
  up(welcome?: Partial<Welcome>): Promise<FakeSocket>;
  /** Waits out the pause after a loss. */
  again(): Promise<FakeSocket>;
}

/** Makes a client on fakes. */
export function fake(options: Partial<ClientOptions> = {}): Fake {
  const clock = new FakeClock();
  const sockets: FakeSocket[] = [];

  class Socket extends FakeSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      sockets.push(this);
    }
  }

  const client = createClient({
    url: 'ws://host/ws', WebSocket: Socket, clock, ...options,
  });

  const newest = () => sockets.at(-1) as FakeSocket;

  return {
    client,
    clock,
    sockets,
    get socket() {
      return newest();
    },

    async up(welcome) {
      client.connect();
      await settle();
      newest().welcome(welcome);
      await settle();
      return newest();
    },

    async again() {
      const { retryAt } = client.state;

      await clock.pass((retryAt ?? clock.time) - clock.time);
      return newest();
    },
  };
}

/** A token that ends at a time in milliseconds. */
export function tokenUntil(ms: number, more: Fields = {}): string {
  return `e30.${btoa(JSON.stringify({ exp: ms / 1000, ...more }))
    .replace(/=+$/, '')}.c2ln`;
}

/** What a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<{
  code: string; message: string; retryAfterMs: number; reply?: Fields;
}> {
  return promise.then(
    () => { throw new Error('it was not rejected'); },
    (error) => error,
  );
}
