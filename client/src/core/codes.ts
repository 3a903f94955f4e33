// What a client does after a connection was closed, and when.

/** What follows from a close code and its reason. */
export interface Verdict {
  /** The server does not want this client. */
  readonly final: boolean;
  /** The token was refused. */
  readonly token: boolean;
  /** A message of this client was at fault. */
  readonly fault: boolean;
  /** The longest pause comes first. */
  readonly slow: boolean;
  /** Milliseconds that the server asks to wait. */
  readonly retry: number | undefined;
}

const FAULTS = [1002, 1003, 1007, 1009];

/** Reads a close code and its reason. */
export function readClose(code: number, reason: string): Verdict {
  const fault = FAULTS.includes(code);
  const retry = /\bretry=(\d{1,10})\b/.exec(reason)?.[1];

  return {
    final: code >= 4500 && code < 5000,
    token: code === 4401,
    fault,
    slow: fault || code === 1013,
    retry: retry === undefined ? undefined : Number(retry),
  };
}

/**
 * How long to wait: the step's delay, give or take a fifth, or what the
 * server asked for and up to a fifth more, so that not all come at once.
 */
export function pauseOf(
  delays: readonly number[],
  step: number,
  retry: number | undefined,
  random: number,
): number {
  const delay = delays[Math.min(step, delays.length - 1)] ?? 0;

  return Math.round(retry === undefined
    ? delay * (0.8 + 0.4 * random)
    : retry * (1 + 0.2 * random));
}
