// What waits in a queue, in its order, and who waits for its outcome.

import { ConductorError } from './error.js';
import type { ErrorCode } from './error.js';
import { REPEATABLE } from './queue-rules.js';
import type { Saved } from './queue-storage.js';
import type { Command, Reply, SendOptions } from './types.js';

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

/** One who waits for an outcome. */
export interface Waiter {
  readonly options: SendOptions;
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

/** A command and what has become of it. */
export interface Entry {
  readonly at: number;
  readonly key: string;
  command: Command;
  tries: number;
  /** When it was sent, if it may have been done; else 0. */
  sent: number;
  user: string | null | undefined;
  /** None if it comes from the store. */
  waiters: Waiter[];
  /** It is on its way. */
  flies: boolean;
  /** It was sent as soon as it came, so it does not wait yet. */
  direct: boolean;
}

/** The entries of a queue, the oldest first. */
export interface List {
  readonly all: readonly Entry[];
  /** The first that is not on its way. */
  readonly head: Entry | undefined;
  /** What waits, for those who look: the same array if nothing changed. */
  readonly items: readonly QueueItem[];
  has(entry: Entry): boolean;
  add(entry: Entry): void;
  /** Puts stored entries in their places, but for those that are there. */
  merge(found: readonly Saved[]): void;
  remove(entry: Entry): void;
  /** Takes one away and says why to who waits for it. */
  drop(entry: Entry, code: ErrorCode, why: string): void;
  /** Drops what is too old, or too old to be said a second time. */
  expire(now: number, maxAge: number): void;
  /** Brings {@link items} up to date; gives true if they are others. */
  refresh(): boolean;
}

/** Makes an empty {@link List}. */
export function createList(): List {
  let all: readonly Entry[] = [];
  let items: readonly QueueItem[] = [];

  const list: List = {
    get all() { return all; },
    get head() { return all.find((entry) => !entry.flies); },
    get items() { return items; },

    has: (entry) => all.includes(entry),

    add(entry) {
      all = [...all, entry];
    },

    merge(found) {
      const known = new Set(all.map((entry) => entry.key));

      all = [...found.filter((e) => !known.has(e.key)).map(revived), ...all]
        .sort((a, b) => a.at - b.at);
    },

    remove(entry) {
      all = all.filter((other) => other !== entry);
    },

    drop(entry, code, why) {
      const { waiters } = entry;

      list.remove(entry);
      waiters.forEach((w) => w.reject(new ConductorError(code, why)));
    },

    expire(now, maxAge) {
      for (const entry of all.filter((e) => !e.flies)) {
        if (now - entry.at >= maxAge) {
          list.drop(entry, 'expired', 'it waited too long');
        } else if (entry.sent && now - entry.sent >= REPEATABLE) {
          list.drop(entry, 'gave_up', 'it may have been done, long ago');
        }
      }
    },

    refresh() {
      const next = all.filter((e) => !e.direct).map(itemOf);
      const differs = JSON.stringify(next) !== JSON.stringify(items);

      items = differs ? next : items;
      return differs;
    },
  };

  return list;
}

/** An entry as it is stored. */
export function saved(entry: Entry): Omit<Saved, 'tab' | 'till'> {
  const { key, command, at, tries, sent, user } = entry;

  return { key, command, at, tries, sent, user };
}

function revived({ key, command, at, tries, sent, user }: Saved): Entry {
  return {
    key, command, at, tries: tries || 0, sent: sent || 0, user,
    waiters: [], flies: false, direct: false,
  };
}

function itemOf({ key, command, at, tries, flies }: Entry): QueueItem {
  return { key, command, at, tries, sending: flies };
}
