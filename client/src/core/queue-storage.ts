// What a queue keeps in a store that several tabs have in common.

import type { Clock, Command, Store } from './types.js';

/** How long a tab that says nothing is taken to be alive, in ms. */
export const LEASE = 90_000;

/** How long a page that is left may take to come back, in ms. */
export const RELOAD = 5_000;

/** An entry as it is stored. */
export interface Saved {
  readonly key: string;
  readonly command: Command;
  /** When it was pushed, Unix milliseconds. */
  readonly at: number;
  readonly tries: number;
  /** When it was sent, if it may have been done; else 0. */
  readonly sent: number;
  /** Missing if nobody was known. */
  readonly user?: string | null | undefined;
  /** The tab that sends it, and how long nobody else may. */
  readonly tab: string;
  readonly till: number;
}

const EMPTY = '{"items":[]}';

interface Content {
  /** Of the last `welcome` of any tab. */
  readonly user?: string | null | undefined;
  readonly items: readonly Saved[];
}

/** How {@link QueueStorage.exchange} does it. */
export interface How {
  /** The user of this tab; undefined if it has not been connected. */
  readonly user: string | null | undefined;
  /** That user has just come: others have nothing to do here any more. */
  readonly met: boolean;
  /** How many to take over of tabs that are gone. */
  readonly room: number;
  /** Milliseconds until others may take over what is stored now. */
  readonly lease: number;
}

/** What {@link QueueStorage.exchange} brought. */
export interface Exchanged {
  /** The user of this tab, or of the last `welcome` of any. */
  readonly user: string | null | undefined;
  /**
   * Entries that are this tab's from now on: those that it had before its
   * page was loaded again, and those of tabs that are gone.
   */
  readonly taken: readonly Saved[];
  /** Keys that are another tab's now, or were and are done. */
  readonly lost: ReadonlySet<string>;
  /** When the first lease of another tab ends; Infinity if there is none. */
  readonly next: number;
}

/** The part of a store that holds a queue. */
export interface QueueStorage {
  /**
   * Puts the entries of this tab in the place of those that it had, and takes
   * what is its own to take.
   */
  exchange(own: readonly Omit<Saved, 'tab' | 'till'>[], how: How): Exchanged;
  /**
   * Whether the store holds of this tab what it has written.  Two tabs that
   * write at once may not see each other: the last one puts back what the
   * other had before.
   */
  readonly intact: boolean;
  /** The page is left; the next one of this tab goes on with its entries. */
  leave(): void;
  /** The page that was left is there again. */
  back(): void;
}

/** The parts of a queue's storage that are the machine's. */
export interface StorageOptions {
  readonly key: string;
  readonly maxAge: number;
  readonly clock: Clock;
  readonly local: Store | null;
  readonly session: Store | null;
  readonly id: () => string;
}

/** Reads, changes and writes what is stored under a key. */
export function createStorage(options: StorageOptions): QueueStorage {
  const { key, clock, local, session } = options;
  const mark = `${key}.tab`;
  let tab = quiet(() => session?.getItem(mark)) || options.id();
  let first = true;

  // What is stored as this tab's, and until when nobody else may take it.
  let written: readonly string[] = [];
  let end = Infinity;

  const back = () => void quiet(() => session?.removeItem(mark));

  const exchange: QueueStorage['exchange'] = (own, how) => {
    const { met, room, lease } = how;
    const now = clock.now();
    const found = read(local, key, now, options.maxAge);
    const user = how.user === undefined ? found.user : how.user;
    const kept: Saved[] = [];
    const taken: Saved[] = [];
    const lost = new Set(now > end ? written : []);
    let next = Infinity;

    for (const item of found.items) {
      if (item.tab === tab) {
        first && taken.push(item);
        lost.delete(item.key);
      } else if (item.till > now) {
        kept.push(item);
        next = Math.min(next, item.till);
      } else if (item.user === user && taken.length < room) {
        taken.push(item);
      } else if (item.user === user || !met) {
        kept.push(item);
      }
    }

    kept.forEach((item) => lost.add(item.key));
    first = false;
    end = now + lease;

    const mine = [...taken, ...own.filter((entry) => !lost.has(entry.key))]
      .map((entry) => ({ ...entry, tab, till: end }));

    const items = [...kept, ...mine];

    if (write(local, key, { user: met ? user : found.user, items })) {
      written = mine.map((item) => item.key);
    }

    return { user, taken, lost, next };
  };

  back();

  return {
    exchange,

    get intact() {
      const found = read(local, key, clock.now(), options.maxAge).items
        .filter((item) => item.tab === tab);

      return found.length === written.length
        && found.every((item, i) => item.key === written[i]);
    },

    leave: () => void quiet(() => session?.setItem(mark, tab)),
    back,
  };
}

/** A store of the browser's; none if it may not be touched. */
export function browserStore(
  name: 'localStorage' | 'sessionStorage',
): Store | null {
  const world = globalThis as { readonly [name: string]: unknown };

  return quiet(() => world[name] as Store) ?? null;
}

function read(
  store: Store | null, key: string, now: number, maxAge: number,
): Content {
  const since = now - maxAge;
  const text = quiet(() => store?.getItem(key));
  const found = quiet(() => JSON.parse(text ?? '{}') as Partial<Content>);
  const items = Array.isArray(found?.items) ? found.items : [];

  return {
    user: found?.user,
    items: items.filter((e: Partial<Saved> | null) =>
      typeof e?.key === 'string' && typeof e.command?.type === 'string'
      && Number(e.at) > since).map((e: Saved) => tidied(e, now)),
  };
}

/** No time of it is in the future, but for its lease; and that ends soon. */
function tidied(item: Saved, now: number): Saved {
  const time = (value: unknown, most: number) =>
    Math.min(Number(value) || 0, most);

  return {
    ...item,
    at: time(item.at, now),
    till: time(item.till, now + LEASE),
    tries: time(item.tries, Infinity),
    sent: time(item.sent, now),
  };
}

/** Gives false if it could not be written. */
function write(store: Store | null, key: string, content: Content): boolean {
  const text = JSON.stringify(content);

  return quiet(() => {
    if (text === EMPTY) {
      store?.removeItem(key);
    } else if (text !== store?.getItem(key)) {
      store?.setItem(key, text);
    }

    return store !== null;
  }) ?? false;
}

function quiet<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch {
    return undefined;
  }
}
