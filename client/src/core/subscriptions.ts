// What a client wants to receive, and how each new connection learns it.

import { ConductorError, isRefusal } from './error.js';
import type { ClientErrorCode } from './error.js';
import type {
  Command, Filter, Reply, Subscription,
} from './types.js';

interface Waiter {
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

/** What is wanted of one channel, and who waits to hear that it is so. */
interface Wish {
  readonly channel: string;
  readonly filter: Filter | undefined;
  readonly on: boolean;
  /** What the server last agreed to. */
  readonly before: Wish | undefined;
  agreed: boolean;
  waiters: Waiter[];
}

/** The subscriptions of a client. */
export interface Subscriptions {
  /** Something else is wanted than the hub's defaults. */
  readonly own: boolean;
  /** Wants a channel, or wants it no longer. */
  want(channel: string, on: boolean, filter?: Filter): Promise<Reply>;
  /**
   * Tells a new connection, which is on hold, what is wanted, and resumes
   * from `since`.  If that is no position, from `here`: the answer is then
   * false.  Rejected if it has to be tried on another connection.
   */
  restore(since: string, here: string): Promise<boolean>;
  /** Tells a new connection that is not on hold. */
  begin(): void;
  /** The connection is gone; with a code, no other follows. */
  lost(code?: ClientErrorCode): void;
}

/** Makes {@link Subscriptions}; `send` sends on the present connection. */
export function createSubscriptions(
  list: readonly Subscription[] | undefined,
  send: (command: Command) => Promise<Reply>,
): Subscriptions {
  const wishes = new Map<string, Wish>();
  let live = false;
  let over = false;
  // The list is more than one message can hold: it is said one by one.
  let long = false;

  for (const { channel, filter } of list ?? []) {
    wishes.set(channel, {
      channel, filter, on: true, before: undefined, agreed: true, waiters: [],
    });
  }

  const settle = (wish: Wish, call: (waiter: Waiter) => void) => {
    wish.waiters.splice(0).forEach(call);
  };

  const agree = (wish: Wish, reply: Reply) => {
    wish.agreed = true;
    settle(wish, ({ resolve }) => resolve(reply));

    // a list needs no word of what is not in it
    if (list && !wish.on && wishes.get(wish.channel) === wish) {
      wishes.delete(wish.channel);
    }
  };

  const refuse = (wish: Wish, error: unknown) => {
    if (isRefusal(error) && !wish.agreed
      && wishes.get(wish.channel) === wish)
    {
      if (wish.before) {
        wishes.set(wish.channel, wish.before);
      } else {
        wishes.delete(wish.channel);
      }
    }

    // what was lost on its way is said again on the next connection
    const next = wishes.get(wish.channel);

    if (over || !next || (error as ConductorError).code !== 'disconnected') {
      settle(wish, ({ reject }) => reject(error));
    } else if (next !== wish) {
      next.waiters.push(...wish.waiters.splice(0));
    }
  };

  const say = async (wish: Wish) => {
    const { channel, filter, on } = wish;

    try {
      agree(wish, await send(on
        ? { type: 'subscribe', channel, ...(filter && { filter }) }
        : { type: 'unsubscribe', channel }));
    } catch (error) {
      refuse(wish, error);
      throw error;
    }
  };

  // Says all that is wanted; gives those of which the server says no.
  const sayAll = async () => {
    const refused = new Set<string>();

    await Promise.all([...wishes.values()].map((wish) =>
      say(wish).catch((error: unknown) => {
        if (!isRefusal(error)) {
          throw error;
        }

        refused.add(wish.channel);
      })));

    return refused;
  };

  // With a list, all at once: the answer is to all of it.
  const resume = async (since: string, refused = new Set<string>()) => {
    const wanted = [...wishes.values()]
      .filter(({ channel, on }) => on && !refused.has(channel));

    const reply = await send({
      type: 'resume',
      since,
      ...(list && !long && {
        subscriptions: wanted.map(({ channel, filter }) =>
          ({ channel, ...(filter && { filter }) })),
      }),
    });

    if (list) {
      wanted.forEach((wish) => agree(wish, reply));
    }
  };

  // Whether the server can resume from there.
  const tryResume = async (since: string, refused?: Set<string>) => {
    try {
      await resume(since, refused);
      return true;
    } catch (error) {
      if (isRefusal(error)) {
        long ||= error.code === 'too_large';
        return false;
      }

      throw error;
    }
  };

  const restore = async (since: string, here: string) => {
    let refused: Set<string> | undefined;

    long = false;

    if (list) {
      // what is not in the list is taken away by it
      for (const wish of [...wishes.values()].filter(({ on }) => !on)) {
        agree(wish, { type: 'ack', id: 0, channel: wish.channel });
      }

      if (await tryResume(since)) {
        return true;
      }

      // a channel was refused, or the position, or it was too much
      refused = await sayAll();

      if (await tryResume(since, refused)) {
        return true;
      }
    } else {
      const said = sayAll();
      const [good] = await Promise.all([tryResume(since), said]);

      if (good) {
        return true;
      }
    }

    await resume(here, refused);
    return false;
  };

  return {
    get own() {
      return list !== undefined || wishes.size > 0;
    },

    want(channel, on, filter) {
      const last = wishes.get(channel);
      const wish: Wish = {
        channel,
        filter,
        on,
        before: last?.agreed ? last : last?.before,
        agreed: false,
        // who waits for what is wanted no longer, waits for this
        waiters: live ? [] : last?.waiters.splice(0) ?? [],
      };

      wishes.set(channel, wish);

      return new Promise((resolve, reject) => {
        wish.waiters.push({ resolve, reject });

        if (live) {
          say(wish).catch(() => undefined);
        }
      });
    },

    restore(since, here) {
      live = true;
      over = false;
      return restore(since, here);
    },

    begin() {
      live = true;
      over = false;
      sayAll().catch(() => undefined);
    },

    lost(code) {
      live = false;
      over = code !== undefined;

      if (code) {
        for (const wish of wishes.values()) {
          settle(wish, ({ reject }) => reject(
            new ConductorError(code, 'there is no connection')));
        }
      }
    },
  };
}
