// A queue's part in what several tabs have in common.

import type { List } from './queue-list.js';
import { saved } from './queue-list.js';
import {
  browserStore, createStorage, LEASE, RELOAD,
} from './queue-storage.js';
import type { Clock, Store } from './types.js';

/** As much of a LockManager as a queue needs. */
export interface Locks {
  request(name: string, call: () => void): Promise<unknown>;
}

/** What {@link createTabs} needs. */
export interface TabsOptions {
  readonly key: string;
  readonly maxAge: number;
  readonly maxSize: number;
  readonly clock: Clock;
  readonly store: Store | undefined;
  readonly locks: Locks | null | undefined;
  readonly list: List;
  readonly id: () => string;
  /** Whether there is a connection. */
  readonly ready: () => boolean;
  /** Something is there that was not. */
  readonly wake: () => void;
}

/** The store of a queue, as one tab sees it. */
export interface Tabs {
  /** Of the last `welcome`, here or in another tab. */
  readonly user: string | null | undefined;
  /** When there is something to do; Infinity if nothing is. */
  readonly due: number;
  /** Takes what is there for this tab. */
  begin(): void;
  /** This is the user that is connected. */
  meet(user: string | null): void;
  /** Stores what there is. */
  store(): void;
  /** Does what is due. */
  tick(): void;
  /** Leaves what there is to others. */
  close(): void;
}

/** Shares a list with other tabs; takes over what they have left. */
export function createTabs(options: TabsOptions): Tabs {
  const { key, clock, list, wake } = options;
  const storage = createStorage({
    ...options,
    local: options.store ?? browserStore('localStorage'),
    session: options.store ? null : browserStore('sessionStorage'),
  });
  const locks = options.locks === undefined ? browserLocks() : options.locks;

  let known = false;
  let user: string | null | undefined;
  let renew = Infinity;
  let adoptable = Infinity;
  let closed = false;

  function store(room = 0, lease = LEASE, met = false): void {
    const got = storage.exchange(list.all.map(saved),
      { user: known ? user : undefined, met, room, lease });

    user = got.user;
    adoptable = got.next;
    renew = clock.now() + LEASE / 3;

    for (const entry of list.all.filter((e) => !e.flies)) {
      if (got.lost.has(entry.key)) {
        list.drop(entry, 'disconnected', 'another tab has taken it over');
      }
    }

    list.merge(got.taken);
  }

  /** Takes over what tabs have left that are gone; one tab at a time. */
  function adopt(): void {
    const take = () => {
      if (!closed) {
        store(options.maxSize - list.all.length);
        wake();
      }
    };

    adoptable = Infinity;

    if (locks) {
      locks.request(key, take).catch(take);
    } else {
      take();
    }
  }

  function leave(): void {
    storage.leave();
    store(0, RELOAD);
  }

  function back(): void {
    storage.back();
    store();
    wake();
  }

  /** Another tab has written; what it wrote may be its last word. */
  function changed(event: Event): void {
    if ((event as StorageEvent).key !== key) {
      return;
    }

    if (!storage.intact) {
      store();
    }

    if (!list.all.length) {
      adoptable = clock.now() + RELOAD + 1000;
    }

    wake();
  }

  let unwatch: (() => void) | undefined;

  return {
    get user() { return user; },

    get due() {
      return Math.min(list.all.length ? renew : Infinity,
        options.ready() && list.all.length < options.maxSize
          ? adoptable : Infinity);
    },

    begin() {
      unwatch = watch({ pagehide: leave, pageshow: back, storage: changed });
      store();
      adopt();
    },

    meet(name) {
      user = name;
      known = true;
      store(0, LEASE, true);
      adopt();
    },

    store: () => store(),

    tick() {
      const now = clock.now();

      if (now >= adoptable && options.ready()) {
        adopt();
      } else if (now >= renew) {
        store();
      }
    },

    close() {
      closed = true;
      unwatch?.();
      store(0, 0);
    },
  };
}

/** Those of a queue that nobody shares. */
export function noTabs(): Tabs {
  let user: string | null | undefined;
  const nothing = () => undefined;

  return {
    get user() { return user; },
    due: Infinity,
    meet: (name) => void (user = name),
    begin: nothing, store: nothing, tick: nothing, close: nothing,
  };
}

function watch(heard: Record<string, (event: Event) => void>): () => void {
  const page: Partial<EventTarget> = globalThis;

  for (const [type, call] of Object.entries(heard)) {
    page.addEventListener?.(type, call);
  }

  return () => {
    for (const [type, call] of Object.entries(heard)) {
      page.removeEventListener?.(type, call);
    }
  };
}

function browserLocks(): Locks | null {
  const { navigator } = globalThis as { navigator?: { locks?: Locks } };

  return navigator?.locks ?? null;
}
