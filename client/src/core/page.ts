// What the page or the worker around the client says of its network.

/** What is heard of. */
export interface PageEvents {
  /** There is a network again. */
  online(): void;
  /** There is no network, or so it is said. */
  offline(): void;
  /** The page is seen again; its timers may have slept. */
  shown(): void;
  /** The page may be gone any moment. */
  hidden(): void;
}

/** False if the browser is sure that there is no network. */
export function isOnline(): boolean {
  return typeof navigator === 'undefined' || navigator.onLine !== false;
}

/** Listens, where there is anything to listen to; returns what ends that. */
export function watchPage(events: PageEvents): () => void {
  const ends: (() => void)[] = [];

  const listen = (target: unknown, type: string, call: () => void) => {
    const { addEventListener, removeEventListener } =
      (target ?? {}) as Partial<EventTarget>;

    if (addEventListener && removeEventListener) {
      addEventListener.call(target as EventTarget, type, call);
      ends.push(() =>
        removeEventListener.call(target as EventTarget, type, call));
    }
  };

  const page = typeof document === 'undefined' ? undefined : document;

  listen(globalThis, 'online', events.online);
  listen(globalThis, 'offline', events.offline);
  listen(globalThis, 'pageshow', events.shown);
  listen(globalThis, 'pagehide', events.hidden);
  listen(page, 'visibilitychange', () =>
    page?.visibilityState === 'hidden' ? events.hidden() : events.shown());

  return () => ends.forEach((end) => end());
}
