// What a promise of a command is rejected with.

import type { Fields } from './types.js';

/** Why a command was not done: the server's codes. */
export type ServerErrorCode =
  | 'bad_json' | 'bad_message' | 'unknown_type' | 'unknown_channel'
  | 'forbidden' | 'rate_limited' | 'too_large' | 'token_expired' | 'revoked'
  | 'busy' | 'backend_error' | 'backend_timeout' | 'unavailable';

/** Why a command was not done: what the client itself says. */
export type ClientErrorCode =
  | 'timeout' | 'disconnected' | 'aborted' | 'closed' | 'queue_full'
  | 'expired' | 'gave_up';

/** A code of {@link ConductorError}. */
export type ErrorCode = ServerErrorCode | ClientErrorCode;

/** A command was not done, or nobody knows whether it was. */
export class ConductorError extends Error {
  override readonly name = 'ConductorError';

  /** A code of the server's, or of the client's own. */
  readonly code: ErrorCode;

  /** The server's message, if it was the server that said so. */
  readonly reply: Fields | undefined;

  constructor(code: ErrorCode, message: string, reply?: Fields) {
    super(message);
    this.code = code;
    this.reply = reply;
  }

  /** True if too much was sent; see {@link retryAfterMs}. */
  get rateLimited(): boolean {
    return this.code === 'rate_limited';
  }

  /** When to go on, as the server said it; 0 if it did not. */
  get retryAfterMs(): number {
    return Number(this.reply?.['retryAfterMs'] ?? 0);
  }
}
