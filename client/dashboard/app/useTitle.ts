// The title of the window: two of them, side by side, can be told apart.

import { useEffect } from 'react';

import type { Welcome } from '../../src/core/types.js';

/** Who the page is connected as, in words. */
export function nameOf({ userId, role }: Welcome): string {
  return `${userId ?? 'nobody'}${role ? `, ${role}` : ''}`;
}

/** Puts the name of who is connected into the title. */
export function useTitle(welcome: Welcome | null): void {
  const name = welcome === null ? null : nameOf(welcome);

  useEffect(() => {
    if (name !== null) {
      document.title = `${name} – Conductor`;
    }
  }, [name]);
}
