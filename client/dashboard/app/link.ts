// What the address of the page says: whose it is, and where the hub is.

import type { ClientOptions } from '../../src/core/types.js';

/**
 * The token, from the fragment: a browser never sends that to a server, so it
 * is in no log.
 */
export function token(): Pick<ClientOptions, 'token'> {
  const found = new URLSearchParams(location.hash.slice(1)).get('token');

  return found ? { token: found } : {};
}

/** An address beside this page, of the same server. */
export function beside(path: string): URL {
  const url = new URL(path, location.href);

  url.hash = '';
  url.search = '';
  return url;
}

/** Keeps the position of a window over a reload, where that is allowed. */
export function remembered(): Pick<ClientOptions, 'resume'> {
  try {
    return {
      resume: { store: sessionStorage, key: 'conductor_dashboard_position' },
    };
  } catch {
    return {};
  }
}
