// The offline queue: what cannot be sent now waits, and is sent in order.

import { createChanges, systemClock } from './changes.js';
import { ConductorError } from './error.js';
import { createList } from './queue-list.js';
import type { Entry, QueueItem, Waiter } from './queue-list.js';
import {
  backoff, isRepeated, isUndone, REPEATABLE, waits,
} from './queue-rules.js';
import { createTabs, noTabs } from './queue-tabs.js';
import type { Locks } from './queue-tabs.js';
import { createTimer } from './timer.js';
import type {
  Client, Command, Reply, SendOptions, Store, Welcome,
} from './types.js';

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
  const list = createList();
  const {
    maxQueueSize = 100, maxRetries = 3, maxAge = 86_400_000,
    storageKey = 'aivo_websocket_queue',
  } = options;

  let seen: Welcome | null = null;
  let pause = 0;
  let paused = 0;
  let sure = true;
  let closed = false;

  const tabs = options.persistToStorage === false ? noTabs() : createTabs({
    key: storageKey, maxAge, maxSize: maxQueueSize, clock, list,
    store: options.store, locks: options.locks,
    id: uuid, ready: () => ready(), wake: () => pump(),
  });

  const ready = () => !closed && client.state.status === 'connected';
  const flying = () => list.all.some((entry) => entry.flies);
  const owner = () => sure ? tabs.user : undefined;

  /** Milliseconds of the pause that are left; the clock may be set back. */
  const rest = () => {
    const gone = clock.now() - paused;

    return gone < 0 ? 0 : Math.max(0, pause - gone);
  };

  const rests = (ms: number) => {
    paused = clock.now();
    pause = ms;
  };

  /** Sees whether there was another connection, perhaps another user's. */
  function meet(): void {
    const { welcome } = client.state;

    if (welcome && welcome !== seen) {
      seen = welcome;
      pause = 0;
      sure = true;
      disown(welcome.userId);
      tabs.meet(welcome.userId);
    }
  }

  /**
   * Forgets what is not of the user that is connected.  What this page pushed
   * while nobody was known is that user's.
   */
  function disown(user: string | null): void {
    for (const entry of list.all) {
      if (entry.user === undefined && entry.waiters.length) {
        entry.user = user;
      }

      if (entry.user !== user) {
        list.drop(entry, 'aborted', 'another user has connected');
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
      const copy = copied(command);

      if (given.signal?.aborted) {
        reject(aborted());
      } else if (!join(copy, waiter)) {
        enter(copy, waiter);
      }
    });
  }

  /** Lets a command be answered as one that waits already. */
  function join(command: Command, waiter: Waiter): boolean {
    const last = list.all[list.all.length - 1];
    const same = list.all.find((e) => e.key === command.key);
    const merges = command.type === 'presence-update' && !command.key
      && last?.command.type === command.type && !last.flies && !last.sent
      && last.user === owner();

    if (same) {
      listen(same, waiter);
    } else if (merges) {
      last.command = { ...last.command, ...command };
      listen(last, waiter);
      tabs.store();
      pump();
    }

    return !!same || merges;
  }

  function enter(command: Command, waiter: Waiter): void {
    if (list.all.length >= maxQueueSize) {
      waiter.reject(new ConductorError('queue_full', 'the queue is full'));
      return;
    }

    const now = clock.now();
    const last = list.all[list.all.length - 1];
    const entry: Entry = {
      at: Math.max(now, last?.at ?? 0), key: command.key || uuid(),
      command, tries: 0, sent: 0, user: owner(), waiters: [], flies: false,
      direct: ready() && !rest() && !list.head,
    };

    list.add(entry);
    listen(entry, waiter);

    if (entry.direct) {
      launch(entry);
    } else {
      tabs.store();
    }

    pump();
  }

  function listen(entry: Entry, waiter: Waiter): void {
    const { signal } = waiter.options;

    const abort = () => {
      entry.waiters = entry.waiters.filter((other) => other !== mine);
      mine.reject(aborted());

      if (!entry.waiters.length && list.has(entry)) {
        list.remove(entry);
        tabs.store();
        pump();
      }
    };

    const end = () => signal?.removeEventListener('abort', abort);

    const mine: Waiter = {
      options: waiter.options,
      resolve: (reply) => (end(), waiter.resolve(reply)),
      reject: (error) => (end(), waiter.reject(error)),
    };

    entry.waiters.push(mine);
    signal?.addEventListener('abort', abort);
  }

  function launch(entry: Entry): void {
    const timeout = entry.waiters[0]?.options.timeout;

    entry.flies = true;
    entry.sent ||= clock.now();
    tabs.store();

    client.send({ ...entry.command, key: entry.key },
      { queue: false, ...(timeout === undefined ? {} : { timeout }) })
      .then((reply) => answered(entry, reply), (e) => failed(entry, e));
  }

  function answered(entry: Entry, reply: Reply): void {
    if (list.has(entry)) {
      list.remove(entry);
      entry.waiters.forEach((w) => w.resolve(reply));
      tabs.store();
      pump();
    }
  }

  function failed(entry: Entry, error: ConductorError): void {
    if (!list.has(entry)) {
      return;
    }

    entry.flies = entry.direct = false;
    entry.sent = isUndone(error) ? 0 : entry.sent;

    if (isRepeated(error)) {
      retry(entry, error);
    } else {
      list.remove(entry);
      entry.waiters.forEach((w) => w.reject(error));
    }

    tabs.store();
    pump();
  }

  function retry(entry: Entry, error: ConductorError): void {
    if (error.code === 'rate_limited' && error.retryAfterMs) {
      rests(error.retryAfterMs);
    } else if (++entry.tries > maxRetries) {
      list.drop(entry, 'gave_up',
        `gave up after ${entry.tries} tries: ${error.message}`);
    } else if (ready()) {
      rests(backoff(entry.tries, clock.random()));
    }
  }

  /** Does what is due, and sees to it that it is called again. */
  function pump(): void {
    if (closed) {
      return;
    }

    const before = list.all.length;

    meet();
    list.expire(clock.now(), maxAge);

    if (list.all.length < before) {
      tabs.store();
    }

    const { head } = list;

    if (head && ready() && !rest() && !flying()) {
      launch(head);
    }

    if (list.refresh()) {
      changes.tell();
    }

    arm();
  }

  function arm(): void {
    const now = clock.now();
    const { head } = list;
    const due = Math.min(
      tabs.due,
      head ? head.at + maxAge : Infinity,
      head?.sent ? head.sent + REPEATABLE : Infinity,
      head && ready() && rest() ? now + rest() : Infinity);

    if (due < Infinity) {
      timer.set(Math.max(due - now, 1), () => {
        tabs.tick();
        pump();
      });
    } else {
      timer.clear();
    }
  }

  const detach = client.attach({
    push,
    // the first token of a page is no other one
    unsure() {
      sure &&= !seen && client.state.status === 'idle';
    },
  });
  const off = client.onChange(pump);

  tabs.begin();
  pump();

  return {
    get size() { return list.items.length; },
    get items() { return list.items; },

    clear() {
      for (const entry of list.all.filter((e) => !e.direct)) {
        list.drop(entry, 'aborted', 'the queue was cleared');
      }

      tabs.store();
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
        timer.clear();
        tabs.close();

        for (const entry of list.all) {
          list.drop(entry, 'closed', 'the queue was closed');
        }
      }
    },
  };
}

// What is stored and sent is what it was when it was pushed.
function copied(command: Command): Command {
  try {
    return JSON.parse(JSON.stringify(command)) as Command;
  } catch (error) {
    throw new ConductorError('bad_message', String(error));
  }
}

function aborted(): ConductorError {
  return new ConductorError('aborted', 'the command was aborted');
}

// Not from a page without TLS, nor in Node 18; and not by the clock's chance,
// which may be the same in every tab.
function uuid(): string {
  return globalThis.crypto?.randomUUID?.() ?? [1, 2, 3, 4]
    .map(() => Math.random().toString(36).slice(2)).join('');
}
