// A clock for what counts seconds on the page.

import { useEffect, useState } from 'react';

/** The present time, anew every `step` milliseconds while `running`. */
export function useNow(running: boolean, step = 1000): number {
  const [now, setNow] = useState(Date.now);

  useEffect(() => {
    if (!running) {
      return undefined;
    }

    setNow(Date.now());

    const timer = setInterval(() => setNow(Date.now()), step);

    return () => clearInterval(timer);
  }, [running, step]);

  return now;
}
