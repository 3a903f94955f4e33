// The offline queue: what cannot be sent now waits, and is sent in order.

import { createChanges, systemClock } from './changes.js';
import { ConductorError } from './error.js';
import type { ErrorCode } from './error.js';
import {
  backoff, isRepeated, isUndone, REPEATABLE, waits,
} from './queue-rules.js';
import {
  browserStore, createStorage, LEASE, RELOAD,
} from './queue-storage.js';
import type { QueueStorage, Saved } from './queue-storage.js';
import { createTimer } from './timer.js';
import type {
  Client, Clock, Command, Reply, SendOptions, Store, Welcome,
} from './types.js';

/** A command that waits. */
export interface QueueItem {
  /** The server does a key once in ten minutes. */
  readonly key: string;
  readonly command: Command;
  /** When it was sent for the first time or put here, Unix milliseconds. */
  readonly at: number;
  /** How often it failed. */
  readonly tries: number;
  /** It is on its way, and the answer is awaited. */
  readonly sending: boolean;
}

/** What {@link createQueue} is given. */
export interface QueueOptions {
  /** How many may wait; 100 unless told.  One more is `queue_full`. */
  readonly maxQueueSize?: number;
  /** How often one is repeated that fails; 3 unless told. */
  readonly maxRetries?: number;
  /** Keeps them across reloads of the page; true unless told. */
  readonly persistToStorage?: boolean;
  /** Where they are stored; `aivo_websocket_queue` unless told. */
  readonly storageKey?: string;
  /** Milliseconds until one is `expired`; 24 hours unless told. */
  readonly maxAge?: number;
  /** In place of the browser's `localStorage`. */
  readonly store?: Store;
  /** In place of the browser's `navigator.locks`; null for none. */
  readonly locks?: Locks | null;
}

/** As much of a LockManager as a queue needs. */
export interface Locks {
  request(name: string, call: () => void): Promise<unknown>;
}

/** Commands that wait for a connection. */
export interface Queue {
  /** How many wait, those of other tabs not counted. */
  readonly size: number;
  /** Those that wait; the same array until something is different. */
  readonly items: readonly QueueItem[];
  /** Forgets them; their promises are rejected with `aborted`. */
  clear(): void;
  /** Sends what waits for its next try at once, if connected. */
  flush(): void;
  /** Tells of other {@link items}, once for each turn. */
  onChange(listener: () => void): () => void;
  /** Leaves the client.  What waits is kept in the store for others. */
  close(): void;
}

interface Waiter {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: ConductorError) => void;
  readonly options: SendOptions;
}

interface Entry {
  readonly at: number;
  key: string;
  command: Command;
  tries: number;
  sent: number;
  user: string | null | undefined;
  /** Empty if it comes from the store. */
  waiters: Waiter[];
  flies: boolean;
  /** It was sent as soon as it came, so it is not in the queue yet. */
  direct: boolean;
}

/**
 * Gives a client a queue.  A command that is sent while there is no
 * connection waits, and so does one that the connection was lost under, or
 * that the server has no room for now.
 *
 * @example
 * ```ts
 * const client = createClient({ url: 'ws://localhost:5111' });
 * const queue = createQueue(client);
 *
 * queue.onChange(() => console.log(`${queue.size} waiting`));
 * client.connect();
 * ```
 */
export function createQueue(
  client: Client, options: QueueOptions = {},
): Queue {
  const clock = client.options.clock ?? systemClock;
  const changes = createChanges(clock);
  const timer = createTimer(clock);
  const {
    maxQueueSize = 100, maxRetries = 3, maxAge = 86_400_000,
    storageKey = 'aivo_websocket_queue',
  } = options;

  const storage = options.persistToStorage === false ? null
    : storageOf(options, storageKey, maxAge, clock);
  const locks = options.locks === undefined ? browserLocks() : options.locks;

  let entries: Entry[] = [];
  let items: readonly QueueItem[] = [];
  let user: string | null | undefined;
  let seen: Welcome | null = null;
  let pause = 0;
  let renew = Infinity;
  let adoptable = Infinity;
  let closed = false;

  const ready = () => !closed && client.state.status === 'connected';

  function store(room = 0, lease = LEASE): void {
    const got = storage?.exchange(entries.map(saved),
      { user: seen ? user : undefined, room, lease });

    if (!got) {
      return;
    }

    user = got.user;
    adoptable = got.next;
    renew = clock.now() + LEASE / 3;

    for (const entry of entries.filter((e) => !e.flies)) {
      if (got.lost.has(entry.key)) {
        drop(entry, 'disconnected', 'another tab has taken this over');
      }
    }

    const known = new Set(entries.map((e) => e.key));
    const taken = got.taken.filter((e) => !known.has(e.key));

    if (taken.length) {
      entries = [...taken.map(revived), ...entries]
        .sort((a, b) => a.at - b.at);
    }
  }

  /** Takes over what tabs have left that are gone; one tab at a time. */
  function adopt(): void {
    const take = () => {
      if (!closed) {
        store(maxQueueSize - entries.length);
        pump();
      }
    };

    adoptable = Infinity;

    if (storage && locks) {
      locks.request(storageKey, take).catch(take);
    } else {
      take();
    }
  }

  /** Sees whether there is another connection, perhaps of another user. */
  function meet(): void {
    const { welcome, status } = client.state;

    if (welcome && welcome !== seen && status === 'connected') {
      seen = welcome;
      user = welcome.userId;
      pause = 0;
      disown();
      store();
      adopt();
    }
  }

  /**
   * Forgets what is not of the user that is connected.  What this page pushed
   * before anybody was known is that user's.
   */
  function disown(): void {
    for (const entry of [...entries]) {
      if (entry.user === undefined && entry.waiters.length) {
        entry.user = user;
      }

      if (entry.user !== user) {
        drop(entry, 'aborted', 'another user has connected');
      }
    }
  }

  function push(command: Command, given: SendOptions): Promise<Reply> {
    if (closed || !waits(command)) {
      return client.send(command, { ...given, queue: false });
    }

    meet();

    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject, options: given };

      if (given.signal?.aborted) {
        reject(new ConductorError('aborted', 'the command was aborted'));
      } else if (!join(command, waiter)) {
        enter(command, waiter);
      }
    });
  }

  /** Lets a command be answered as one that waits already. */
  function join(command: Command, waiter: Waiter): boolean {
    const last = entries[entries.length - 1];
    const same = entries.find((e) => e.key === command.key);
    const merges = command.type === 'presence-update' && !command.key
      && last?.command.type === command.type && !last.flies && !last.sent;
    const entry = same ?? (merges ? last : undefined);

    if (entry) {
      entry.command = same ? entry.command
        : { ...entry.command, ...command };
      listen(entry, waiter);
      refresh();
    }

    return !!entry;
  }

  function enter(command: Command, waiter: Waiter): void {
    if (entries.length >= maxQueueSize) {
      waiter.reject(new ConductorError('queue_full', 'the queue is full'));
      return;
    }

    const now = clock.now();
    const last = entries[entries.length - 1];
    const direct = ready() && now >= pause && entries.every((e) => e.flies);
    const entry: Entry = {
      at: Math.max(now, last?.at ?? 0), key: command.key || uuid(),
      command, tries: 0, sent: 0, user, waiters: [], flies: false, direct,
    };

    entries.push(entry);
    listen(entry, waiter);

    if (direct) {
      launch(entry);
    } else {
      store();
    }

    pump();
  }

  function listen(entry: Entry, waiter: Waiter): void {
    entry.waiters.push(waiter);

    waiter.options.signal?.addEventListener('abort', () => {
      entry.waiters = entry.waiters.filter((w) => w !== waiter);
      waiter.reject(
        new ConductorError('aborted', 'the command was aborted'));

      if (!entry.waiters.length && entries.includes(entry)) {
        remove(entry);
        store();
        pump();
      }
    });
  }

  function launch(entry: Entry): void {
    const timeout = entry.waiters[0]?.options.timeout;

    entry.flies = true;
    entry.sent ||= clock.now();
    store();

    client.send({ ...entry.command, key: entry.key },
      { queue: false, ...(timeout === undefined ? {} : { timeout }) })
      .then((reply) => answered(entry, reply), (e) => failed(entry, e));
  }

  function answered(entry: Entry, reply: Reply): void {
    if (entries.includes(entry)) {
      remove(entry);
      entry.waiters.forEach((w) => w.resolve(reply));
      store();
      pump();
    }
  }

  function failed(entry: Entry, error: ConductorError): void {
    if (!entries.includes(entry)) {
      return;
    }

    entry.flies = entry.direct = false;
    entry.sent = isUndone(error) ? 0 : entry.sent;

    if (!isRepeated(error)) {
      drop(entry, error);
    } else {
      retry(entry, error);
    }

    store();
    pump();
  }

  function retry(entry: Entry, error: ConductorError): void {
    const now = clock.now();

    if (error.code === 'rate_limited' && error.retryAfterMs) {
      pause = now + error.retryAfterMs;
    } else if (++entry.tries > maxRetries) {
      drop(entry, new ConductorError('gave_up',
        `gave up after ${entry.tries} tries: ${error.message}`, error.reply));
    } else if (ready()) {
      pause = now + backoff(entry.tries, clock.random());
    }
  }

  function remove(entry: Entry): void {
    entries = entries.filter((e) => e !== entry);
  }

  function drop(entry: Entry, why: ConductorError | ErrorCode, text = ''): void {
    const error = typeof why === 'string' ? new ConductorError(why, text) : why;

    remove(entry);
    entry.waiters.forEach((w) => w.reject(error));
  }

  /** Forgets what is too old, or too old to be said a second time. */
  function expire(): void {
    const now = clock.now();
    const before = entries.length;

    for (const entry of entries.filter((e) => !e.flies)) {
      if (now - entry.at >= maxAge) {
        drop(entry, 'expired', 'the command waited too long');
      } else if (entry.sent && now - entry.sent >= REPEATABLE) {
        drop(entry, 'gave_up', 'it may have been done, long ago');
      }
    }

    if (entries.length < before) {
      store();
    }
  }

  /** Does what is due, and sees to it that it is called again. */
  function pump(): void {
    if (closed) {
      return;
    }

    meet();
    expire();

    const head = entries.find((e) => !e.flies);

    if (head && ready() && clock.now() >= pause
      && entries.every((e) => !e.flies)) {
      launch(head);
    }

    refresh();
    arm();
  }

  function arm(): void {
    const now = clock.now();
    const head = entries.find((e) => !e.flies);
    const due = Math.min(
      entries.length ? renew : Infinity,
      entries.length < maxQueueSize && seen ? adoptable : Infinity,
      head ? head.at + maxAge : Infinity,
      head?.sent ? head.sent + REPEATABLE : Infinity,
      head && ready() && pause > now ? pause : Infinity);

    if (due < Infinity) {
      timer.set(Math.max(due - now, 1), tick);
    } else {
      timer.clear();
    }
  }

  function tick(): void {
    const now = clock.now();

    if (now >= adoptable) {
      adopt();
    } else if (now >= renew) {
      store();
    }

    pump();
  }

  function refresh(): void {
    const next = entries.filter((e) => !e.direct).map((e) => ({
      key: e.key, command: e.command, at: e.at, tries: e.tries,
      sending: e.flies,
    }));

    if (JSON.stringify(next) !== JSON.stringify(items)) {
      items = next;
      changes.tell();
    }
  }

  function leave(): void {
    storage?.leave();
    store(0, RELOAD);
  }

  function back(): void {
    storage?.back();
    store();
    pump();
  }

  /** Another tab has written; what it wrote may be its last word. */
  function changed(event: Event): void {
    if ((event as StorageEvent).key === storageKey && !entries.length) {
      adoptable = clock.now() + RELOAD + 1000;
      arm();
    }
  }

  const page: Partial<EventTarget> = globalThis;
  const heard: readonly [string, (event: Event) => void][] = [
    ['pagehide', leave], ['pageshow', back], ['storage', changed],
  ];

  const detach = client.attach({ push });
  const off = client.onChange(pump);

  if (storage) {
    heard.forEach(([type, call]) => page.addEventListener?.(type, call));
  }

  store();
  adopt();

  return {
    get size() {
      return items.length;
    },
    get items() {
      return items;
    },

    clear() {
      for (const entry of entries.filter((e) => !e.direct)) {
        drop(entry, 'aborted', 'the queue was cleared');
      }

      store();
      pump();
    },

    flush() {
      pause = 0;
      pump();
    },

    onChange: changes.on,

    close() {
      if (!closed) {
        closed = true;
        detach();
        off();
        heard.forEach(([type, call]) =>
          page.removeEventListener?.(type, call));
        timer.clear();
        store(0, 0);

        for (const entry of entries) {
          drop(entry, 'closed', 'the queue was closed');
        }
      }
    },
  };
}

function saved(entry: Entry): Omit<Saved, 'tab' | 'till'> {
  const { key, command, at, tries, sent, user } = entry;

  return { key, command, at, tries, sent, user };
}

function revived({ key, command, at, tries, sent, user }: Saved): Entry {
  return {
    key, command, at, tries: tries || 0, sent: sent || 0, user,
    waiters: [], flies: false, direct: false,
  };
}

function storageOf(
  options: QueueOptions, key: string, maxAge: number, clock: Clock,
): QueueStorage {
  return createStorage({
    key, maxAge, clock,
    local: options.store ?? browserStore('localStorage'),
    session: options.store ? null : browserStore('sessionStorage'),
    id: () => uuid(),
  });
}

function browserLocks(): Locks | null {
  const { navigator } = globalThis as { navigator?: { locks?: Locks } };

  return navigator?.locks ?? null;
}

// Not from a page without TLS, nor in Node 18; and not by the clock's chance,
// which may be the same in every tab.
function uuid(): string {
  return globalThis.crypto?.randomUUID?.() ?? [1, 2, 3, 4]
    .map(() => Math.random().toString(36).slice(2)).join('');
}
