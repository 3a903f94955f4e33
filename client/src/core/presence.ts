// Who is there, kept up to date from what the server tells.

import { createChanges, systemClock } from './changes.js';
import { createVoice } from './presence-voice.js';
import type { OwnPresence } from './presence-voice.js';
import type {
  Client, Filter, FilterValue, PresenceDiff, PresenceList, PresenceUpdate,
  Reviewer,
} from './types.js';

/** Who is there.  A new object only if something is different. */
export interface PresenceState {
  /** By their ids, from A to Z. */
  readonly reviewers: readonly Reviewer[];
  /** How many there are, also if the list is not complete. */
  readonly total: number;
  /** Some are missing, since there are too many. */
  readonly truncated: boolean;
  /** Whoever this client is, if it is known and not hidden. */
  readonly me: Reviewer | null;
  /** A list has come: before that nobody knows who is there. */
  readonly known: boolean;
}

/** What {@link createPresence} is given. */
export interface PresenceOptions {
  /** Only those with these values; subscribes with that filter. */
  readonly filter?: Filter;
}

/** The reviewers of a hub. */
export interface Presence extends PresenceState {
  /** All of the above; the same object until something is different. */
  readonly state: PresenceState;
  /** One of them; undefined if not there. */
  byId(reviewerId: string): Reviewer | undefined;
  /**
   * Says what this client is doing: once for each turn, and again after each
   * reconnect.  Without a connection it is said when there is one.
   */
  set(own: OwnPresence): void;
  /** Tells of another {@link state}, once for each turn. */
  onChange(listener: () => void): () => void;
  /** Listens no more. */
  close(): void;
}

const CHANNEL = 'presence:updates';

/** Nobody, as long as no list has come. */
export const NOBODY: PresenceState = {
  reviewers: [], total: 0, truncated: false, me: null, known: false,
};

/**
 * Follows who is there.  The client has to receive the channel
 * `presence:updates`.
 *
 * @example
 * ```ts
 * const presence = createPresence(client);
 *
 * presence.onChange(() => console.log(presence.reviewers));
 * presence.set({ status: 'busy', currentFeature: 'search' });
 * ```
 */
export function createPresence(
  client: Client, options: PresenceOptions = {},
): Presence {
  const clock = client.options.clock ?? systemClock;
  const changes = createChanges(clock);
  const filter = options.filter ?? {};
  const voice = createVoice(client);

  let people = new Map<string, Reviewer>();
  let listed = 0;
  let unlisted = 0;
  let truncated = false;
  let known = false;
  let myId: string | null = null;
  let state = NOBODY;
  let stale = false;

  function touch(): void {
    stale = true;
    changes.tell();
  }

  /** Puts one as it is now; `old` has what the message does not mention. */
  function put(found: Reviewer, old?: Reviewer): void {
    const { type, timestamp, lastSeen, ...rest } = { ...old, ...found };
    const next: Reviewer = rest;
    const id = next.reviewerId;
    const before = people.get(id);

    if (found.connectionId === client.state.welcome?.connectionId) {
      myId = id;
    }

    if (!passes(filter, next)) {
      remove(id);
    } else if (!before || differ(before, next)) {
      people.set(id, next);
      unlisted -= !before && unlisted && next.connectedAt <= listed ? 1 : 0;
      touch();
    }
  }

  function remove(id: string): boolean {
    const there = people.delete(id);

    if (there) {
      touch();
    }

    return there;
  }

  /** One is gone, who may be one of those that no list had room for. */
  function leave(id: string): void {
    if (!remove(id) && unlisted > 0) {
      unlisted--;
      touch();
    }
  }

  function update(one: PresenceUpdate): void {
    if (one.status === 'offline') {
      leave(one.reviewerId);
    } else if (isKnown(one)) {
      put(one, people.get(one.reviewerId));
    }
  }

  function list(message: PresenceList): void {
    const found = message.reviewers.filter(isKnown);
    const ids = new Set(found.map((one) => one.reviewerId));

    people = new Map([...people].filter(([id]) => ids.has(id)));
    found.forEach((one) => put(one));
    listed = message.timestamp;
    truncated = message.truncated;
    unlisted = message.total - people.size;
    known = true;
    touch();
  }

  function diff({ joined, changed, left }: PresenceDiff): void {
    [...joined, ...changed].filter(isKnown).forEach((one) => put(one));
    left.forEach(leave);
  }

  function snapshot(): PresenceState {
    if (stale) {
      const reviewers = [...people.values()].sort((a, b) =>
        a.reviewerId < b.reviewerId ? -1 : 1);
      const next = {
        reviewers: same(state.reviewers, reviewers)
          ? state.reviewers : reviewers,
        total: reviewers.length + unlisted,
        truncated, me: me(), known,
      };

      state = differ(state, next) ? next : state;
      stale = false;
    }

    return state;
  }

  function me(): Reviewer | null {
    const { userId, connectionId } = client.state.welcome ?? {};

    return people.get(myId ?? userId ?? connectionId ?? '') ?? null;
  }

  function forget(): void {
    myId = null;
    touch();
  }

  const ends = [
    client.on('presence-list', list),
    client.on('presence-update', update),
    client.on('presence-diff', diff),
    client.on('welcome', forget),
    voice.close,
  ];

  if (options.filter || client.state.status === 'connected') {
    ask(client, options.filter);
  }

  return {
    get state() { return snapshot(); },
    get reviewers() { return snapshot().reviewers; },
    get total() { return snapshot().total; },
    get truncated() { return snapshot().truncated; },
    get me() { return snapshot().me; },
    get known() { return known; },
    byId: (id) => people.get(id),
    set: voice.say,
    onChange: changes.on,
    close: () => ends.forEach((end) => end()),
  };
}

/** Has the server send a list, with a filter or anew. */
async function ask(client: Client, filter?: Filter): Promise<void> {
  try {
    if (!filter) {
      await client.unsubscribe(CHANNEL);
    }

    await client.subscribe(CHANNEL, filter);
  } catch {
    // Who may not see presence gets no list, and is told nothing.
  }
}

/** Whether one can be told from others: the id may be hidden. */
function isKnown(one: Reviewer | null): one is Reviewer {
  return typeof one?.reviewerId === 'string';
}

function passes(filter: Filter, one: Reviewer): boolean {
  return Object.entries(filter).every(([name, wanted]) =>
    ([] as FilterValue[]).concat(wanted as FilterValue)
      .includes(one[name] as FilterValue));
}

function differ(a: object, b: object): boolean {
  const [one, other] = [Object.entries(a), Object.entries(b)];
  const has = new Map(other);

  return one.length !== other.length
    || one.some(([name, value]) => has.get(name) !== value);
}

function same<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
