// What a command that was not done is rejected with.

/** Why a command was not done, as the server says it. */
export type ServerErrorCode =
  | 'bad_json'
  | 'bad_message'
  | 'unknown_type'
  | 'unknown_channel'
  | 'forbidden'
  | 'rate_limited'
  | 'too_large'
  | 'token_expired'
  | 'revoked'
  | 'busy'
  | 'backend_error'
  | 'backend_timeout'
  | 'unavailable';

/**
 * Why a command was not done, as this package says it.
 *
 * - `timeout`: no answer came in time; it may have been done
 * - `disconnected`: there is no connection, or it was lost before the answer
 *   came; then the command may have been done
 * - `aborted`: its signal said so
 * - `closed`: the server refused this client for good, or closed the
 *   connection because of a message that was on its way
 * - `queue_full`: too many wait already
 * - `expired`: it waited longer than it may
 * - `gave_up`: it was tried as often as it may be
 */
export type ClientErrorCode =
  | 'timeout'
  | 'disconnected'
  | 'aborted'
  | 'closed'
  | 'queue_full'
  | 'expired'
  | 'gave_up';

/** Any of these codes, or one that a later server says. */
export type ErrorCode =
  ServerErrorCode | ClientErrorCode | (string & Record<never, never>);

/** The server's answer to a command that was not done. */
export interface ErrorReply {
  readonly type: 'error';
  readonly code: ErrorCode;
  /** What was wrong, for people. */
  readonly error: string;
  readonly id?: string | number;
  readonly rateLimited?: boolean;
  readonly retryAfterMs?: number;
}

/** A command was not done, or nobody knows whether it was. */
export class ConductorError extends Error {
  override readonly name = 'ConductorError';
  readonly code: ErrorCode;
  /** The server's answer, if it is that which says so. */
  readonly reply: ErrorReply | undefined;

  constructor(code: ErrorCode, message: string, reply?: ErrorReply) {
    super(message);
    this.code = code;
    this.reply = reply;
  }

  /** Too many messages: go on after {@link retryAfterMs}. */
  get rateLimited(): boolean {
    return this.code === 'rate_limited';
  }

  /** Milliseconds after which to go on; 0 if the server does not say. */
  get retryAfterMs(): number {
    const ms = Number(this.reply?.retryAfterMs);

    return ms > 0 ? ms : 0;
  }
}

// What is answered otherwise at another time.
const PASSING = ['rate_limited', 'busy', 'unavailable', 'backend_timeout'];

// What is not even sent, nor would be at another time.
const UNSENT = ['too_large', 'bad_message'];

/** Whether the server has said no, or would, and would say so again. */
export function isRefusal(error: unknown): error is ConductorError {
  return error instanceof ConductorError && (error.reply === undefined
    ? UNSENT.includes(error.code) : !PASSING.includes(error.code));
}
