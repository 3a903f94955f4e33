// How a connection goes on where the one before was lost.

import { createChanges } from './changes.js';
import type { ClientErrorCode, ConductorError } from './error.js';
import { createPosition } from './position.js';
import { createSubscriptions } from './subscriptions.js';
import type { Subscriptions } from './subscriptions.js';
import type {
  ClientOptions, Clock, Command, Message, Reply, Welcome,
} from './types.js';

/** What {@link createRecovery} needs. */
export interface RecoveryOptions {
  readonly options: ClientOptions;
  readonly clock: Clock;
  /** Sends on the present connection. */
  send(command: Command): Promise<Reply>;
  /** Whether everything was recovered has turned out. */
  recovered(all: boolean): void;
  /** This connection cannot go on, another one may, after a pause. */
  failed(retryAfterMs: number): void;
}

/** What connections of one client have in common. */
export interface Recovery {
  readonly since: string | null;
  readonly want: Subscriptions['want'];
  /** Another connection begins; true if it has to hold. */
  begin(): boolean;
  /** It is there.  False if what was missed cannot be told to this user. */
  welcome(welcome: Welcome): boolean;
  /** The server agreed to go on from there. */
  agreed(): void;
  /** A message came; false if it is an event that came before. */
  take(message: Message): boolean;
  /** The connection is gone; with a code, no other follows. */
  lost(code?: ClientErrorCode): void;
  /** Stores the position, where that is wanted. */
  save(): void;
}

/** Makes {@link Recovery}. */
export function createRecovery(given: RecoveryOptions): Recovery {
  const position = createPosition(given.options);
  const moves = createChanges(given.clock);
  const subscriptions =
    createSubscriptions(given.options.subscriptions, given.send);

  // On hold, nothing that comes moves the position.
  let held = false;
  let complete = true;
  let turn = {};

  const move = (since: unknown) => {
    if (!held) {
      position.move(since);
      moves.tell();
    }
  };

  const restore = async (since: string, here: string) => {
    const mine = turn;

    try {
      const good = await subscriptions.restore(since, here);

      if (!good && mine === turn) {
        given.recovered(complete = false);
      }
    } catch (error) {
      if (mine === turn) {
        given.failed((error as ConductorError).retryAfterMs ?? 0);
      }
    }
  };

  moves.on(position.save);

  return {
    get since() {
      return position.since;
    },
    want: subscriptions.want,
    save: position.save,

    begin: () => held = subscriptions.own || position.since !== null,

    welcome(welcome) {
      const here = welcome.lastEventId;

      complete = position.welcome(welcome);

      // there is nothing to come back to, or nothing was held for it
      if (position.since === null || !held) {
        position.move(here);
      }

      if (held) {
        void restore(position.since ?? here, here);
      } else {
        subscriptions.begin();
      }

      moves.tell();
      return complete;
    },

    agreed() {
      held = false;
    },

    take(message) {
      const { type, eventId, lastEventId } = message;

      if (type === 'pong') {
        move(lastEventId);
      } else if (type === 'resumed') {
        move(lastEventId);
        given.recovered(message.recovered === true && complete);
      } else if (type !== 'ack' && typeof eventId === 'string') {
        move(eventId);
        return position.isNew(eventId);
      }

      return true;
    },

    lost(code) {
      turn = {};
      subscriptions.lost(code);
      position.save();
    },
  };
}
