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

/** How a command is sent, and how long its answer is awaited. */
export interface Flying {
  send(text: string): void;
  /** Bytes that the server takes. */
  readonly most: number | undefined;
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
}

/** Commands in flight. */
export interface Commands {
  /** Sends a command with an id of its own; gives the answer. */
  send(command: Command, how: Flying): Promise<Reply>;
  /** Hands an answer to who waits; gives the type of what was done. */
  answer(message: Fields): string | undefined;
  /** Rejects all that are in flight. */
  fail(code: ClientErrorCode, message: string): void;
}

// The server would close the connection.
function isTooLarge(text: string, most = Infinity): boolean {
  return text.length * 3 > most
    && new TextEncoder().encode(text).length > most;
}

// What cannot be written is refused as the server would do it.
function write(command: Fields): string {
  try {
    return JSON.stringify(command);
  } catch (error) {
    throw new ConductorError('bad_message', String(error));
  }
}

// What is no text may be nothing that can be made one.
function textOf(error: unknown): string {
  return typeof error === 'string' ? error : '';
}

/** Makes {@link Commands}. */
export function createCommands(clock: Clock): Commands {
  const flights = new Map<unknown, Flight>();
  let last = 0;

  return {
    send: (command, { send, most, timeout, signal }) =>
      new Promise((resolve, reject) => {
        const id = ++last;
        const text = write({ ...command, id });

        if (flights.size >= MOST) {
          throw new ConductorError('queue_full', 'too many are in flight');
        }

        if (isTooLarge(text, most)) {
          throw new ConductorError('too_large', `larger than ${most} bytes`);
        }

        // first, since what cannot be sent is not in flight
        send(text);

        const timer = createTimer(clock);
        const abort = () => flights.get(id)?.reject(aborted());

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
      const { type, id } = message;
      const flight = flights.get(id);

      if (type === 'ack' || type === 'pong') {
        flight?.resolve(message as Reply);
        return flight?.type;
      }

      if (type === 'error') {
        const reply = message as unknown as ErrorReply;

        flight?.reject(
          new ConductorError(reply.code, textOf(reply.error), reply));
      }

      return undefined;
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
