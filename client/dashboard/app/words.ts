// What states and codes mean to somebody at this page.

import type { State } from '../../src/core/types.js';

const NEW_LINK = 'Open a link that the server printed when it started.';

const REFUSALS: Record<string, string> = {
  no_token: `This address has no token, which says who you are. ${NEW_LINK}`,
  bad_token: `The token of this link is not valid here. ${NEW_LINK}`,
  token_expired: `The token of this link has expired. ${NEW_LINK}`,
  bad_origin: 'The server does not allow pages of this address.',
  bad_role: 'Your role may not connect here.',
  revoked: 'Your access was revoked.',
};

const ERRORS: Record<string, string> = {
  aborted: 'it was taken back',
  busy: 'the server has too much to do just now',
  closed: 'this page is not connected',
  disconnected: 'the connection was lost before the answer came',
  expired: 'it waited too long',
  gave_up: 'it was tried several times in vain',
  queue_full: 'too much waits already',
  timeout: 'the server did not answer in time',
  unavailable: 'the server cannot take it now',
};

/** Why the connection was lost or cannot be made, as a sentence. */
export function trouble(state: State, online: boolean): string {
  const { code } = state.error ?? { code: 1006 };

  if (!online) {
    return 'This device is offline.';
  }

  switch (code) {
    case 1012:
      return 'The server is restarting or stopping.';
    case 1013:
      return 'The server has no room now.';
    case 4408:
      return 'The server closed a connection on which nothing happened.';
    case 4429:
      return 'Too many connections from this address.';
    default:
      return state.attempts > 0 ? 'The server cannot be reached.'
        : 'Connection lost.';
  }
}

/** Why the server refused for good, and what to do. */
export function refusal(state: State, hasToken: boolean): string {
  const { code, reason } = state.error ?? { code: 0, reason: '' };
  const name = code === 4401 && !hasToken ? 'no_token' : reason;

  return REFUSALS[name] ?? (code === 4401 ? REFUSALS['bad_token'] : undefined)
    ?? `The server refused this connection (${reason || code}).`;
}

/** Why a command was not done, to stand behind a colon. */
export function failure(code: string, message: string): string {
  return ERRORS[code] ?? message.replace(/\.$/, '');
}

/** A name of the wire as words: `bad_token` is "bad token". */
export function plain(name: string): string {
  return name.replace(/_/g, ' ');
}
