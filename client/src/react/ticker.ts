// Time that goes by, for the few who show it.

import { useSyncExternalStore } from 'react';

const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** One timer for the whole page, as long as anybody listens. */
function listen(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => listeners.forEach((call) => call()), 5_000);

  return () => {
    listeners.delete(listener);

    if (!listeners.size) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/**
 * A text that depends on the time.  The component is rendered again when the
 * text is another one, not when time goes by; on a server it is empty.
 */
export function useTimeText(text: (now: number) => string): string {
  return useSyncExternalStore(listen, () => text(Date.now()), () => '');
}
