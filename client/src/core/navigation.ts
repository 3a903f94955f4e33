// Says by presence where in a page its person is.

import type { Client } from './types.js';

/** As much of `Presence` as is needed here. */
export interface PresenceSetter {
  /** Says what this client is doing. */
  set(presence: { currentFeature: string | null }): unknown;
}

/** What {@link trackNavigation} is given. */
export interface NavigationOptions {
  /** The feature that an address shows, or null for none. */
  readonly feature: (url: URL) => string | null | undefined;
  /** The page; the present one unless told. */
  readonly window?: Window;
}

const CHANGES = ['pushState', 'replaceState'] as const;

/**
 * Says the feature of the page's address as `currentFeature`: now, after each
 * navigation within the page, and on each new connection.  Where there is no
 * page it does nothing.  Returns what ends it.
 */
export function trackNavigation(
  target: Client | PresenceSetter,
  options: NavigationOptions,
): () => void {
  const page = options.window
    ?? (typeof window === 'undefined' ? undefined : window);

  if (!page) {
    return () => undefined;
  }

  const presence: PresenceSetter & { close?(): void } = 'set' in target
    ? { set: (what) => target.set(what) } : presenceOf(target);
  let said: string | null | undefined;
  let timer: number | undefined;

  const look = () => {
    timer = undefined;

    const feature = options.feature(new URL(page.location.href)) ?? null;

    if (feature !== said) {
      said = feature;
      // where there is no presence there is nobody to tell
      Promise.resolve(presence.set({ currentFeature: feature }))
        .catch(() => undefined);
    }
  };

  // Of the navigations of one turn the last one counts.
  const soon = () => {
    timer ??= page.setTimeout(look, 0);
  };

  const restore = watchHistory(page, soon);

  page.addEventListener('popstate', soon);
  page.addEventListener('hashchange', soon);
  soon();

  return () => {
    page.clearTimeout(timer);
    page.removeEventListener('popstate', soon);
    page.removeEventListener('hashchange', soon);
    restore();
    presence.close?.();
  };
}

/** Calls after each change of the history that the page itself makes. */
function watchHistory(page: Window, call: () => void): () => void {
  const { history } = page;
  let over = false;

  const ends = CHANGES.map((name) => {
    const original = history[name];
    const own = Object.prototype.hasOwnProperty.call(history, name);

    const changed: typeof original = function (this: History, ...args) {
      original.apply(this, args);

      if (!over) {
        call();
      }
    };

    history[name] = changed;

    return () => {
      // who has taken our place since then goes on calling us
      if (history[name] !== changed) {
        return;
      }

      if (own) {
        history[name] = original;
      } else {
        delete (history as Partial<History>)[name];
      }
    };
  });

  return () => {
    over = true;
    ends.forEach((end) => end());
  };
}

/** Presence without a store: said again on each new connection. */
function presenceOf(client: Client): PresenceSetter & { close(): void } {
  let said: { currentFeature: string | null } | undefined;

  const say = () => {
    if (said && client.state.status === 'connected') {
      client.send({ type: 'presence-update', ...said }, { queue: false })
        .catch(() => undefined);
    }
  };

  return {
    set(presence) {
      said = presence;
      say();
    },

    close: client.on('welcome', say),
  };
}
