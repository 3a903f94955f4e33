// Commands that wait for their answers.

import { ConductorError } from './error.js';
import type { ClientErrorCode, ErrorReply } from './error.js';
import { createTimer } from './timer.js';
import type { Clock, Command, Fields, Reply } from './types.js';

// So many at most wait for an answer.
const MOST = 1000;

interface Flight {
  readonly type: string;
  resolve(reply: Reply): void;
  reject(error: unknown): void;
}

/** Commands in flight. */
export interface Commands {
  /** Transmits a command with an id of its own; gives the answer. */
  send(
    transmit: (text: string) => void,
    command: Command,
    timeout: number,
    signal?: AbortSignal,
  ): Promise<Reply>;
  /** Hands an answer to who waits for it; gives the command's type. */
  answer(message: Fields): string | undefined;
  /** Rejects all that are in flight. */
  fail(code: ClientErrorCode, message: string): void;
}

/** Makes {@link Commands}. */
export function createCommands(clock: Clock): Commands {
  const flights = new Map<unknown, Flight>();
  let last = 0;

  return {
    send: (transmit, command, timeout, signal) =>
      new Promise((resolve, reject) => {
        if (flights.size >= MOST) {
          throw new ConductorError('queue_full', 'too many are in flight');
        }

        const id = ++last;
        const timer = createTimer(clock);
        const abort = () => flights.get(id)?.reject(aborted());

        // sent first, since what cannot be sent is not in flight
        transmit(JSON.stringify({ ...command, id }));

        const end = () => {
          flights.delete(id);
          timer.clear();
          signal?.removeEventListener('abort', abort);
        };

        flights.set(id, {
          type: command.type,
          resolve: (reply) => (end(), resolve(reply)),
          reject: (error) => (end(), reject(error)),
        });

        signal?.addEventListener('abort', abort);
        timer.set(timeout, () => flights.get(id)?.reject(
          new ConductorError('timeout', `no answer in ${timeout} ms`)));
      }),

    answer(message) {
      const flight = flights.get(message.id);

      if (message.type !== 'error') {
        flight?.resolve(message as Reply);
      } else {
        const reply = message as unknown as ErrorReply;

        flight?.reject(new ConductorError(reply.code, reply.error, reply));
      }

      return flight?.type;
    },

    fail(code, message) {
      for (const flight of [...flights.values()]) {
        flight.reject(new ConductorError(code, message));
      }
    },
  };
}

/** What a command is rejected with whose signal says so. */
export function aborted(): ConductorError {
  return new ConductorError('aborted', 'it was aborted');
}
