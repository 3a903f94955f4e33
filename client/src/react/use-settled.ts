// What is said aloud: not every change, but what came of them.

import { useEffect, useRef, useState } from 'react';

/**
 * The text, once it has stayed the same for a while; empty before it changes
 * for the first time, so that nothing is said when a page is opened.
 */
export function useSettled(text: string, ms = 2_000): string {
  const [settled, settle] = useState('');
  const first = useRef<string | null>(null);

  useEffect(() => {
    const timer = setTimeout(() => {
      if (first.current === null) {
        first.current = text;
      } else {
        settle((before) => before || text !== first.current ? text : before);
      }
    }, ms);

    return () => clearTimeout(timer);
  }, [text, ms]);

  return settled;
}
