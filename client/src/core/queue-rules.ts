// What a queue does with a command, by its type and by how it failed.

import type { ConductorError, ErrorCode } from './error.js';
import type { Command } from './types.js';

/** How long the server knows a key, less some time to get there, in ms. */
export const REPEATABLE = 570_000;

/** Commands that concern a moment or a connection. */
const NEVER = ['ping', 'auth', 'resume', 'subscribe', 'unsubscribe'];

const AGAIN: readonly ErrorCode[] = [
  'busy', 'unavailable', 'rate_limited', 'timeout', 'disconnected',
];

const UNDONE: readonly ErrorCode[] = ['busy', 'rate_limited'];

/** Whether a command makes sense later. */
export function waits(command: Command): boolean {
  return !NEVER.includes(command.type);
}

/** Whether a command that failed is sent again. */
export function isRepeated({ code }: ConductorError): boolean {
  return AGAIN.includes(code);
}

/** Whether the server says for sure that a command was not done. */
export function isUndone({ code }: ConductorError): boolean {
  return UNDONE.includes(code);
}

/** Milliseconds until the next try: about 1, 2, 4, 8 s. */
export function backoff(tries: number, random: number): number {
  return Math.min(8000, 500 * 2 ** tries) * (0.75 + random / 2);
}
