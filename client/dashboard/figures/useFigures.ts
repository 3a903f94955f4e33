// Asks the server for its figures, while somebody looks at the page.

import { useEffect, useState } from 'react';

import { beside } from '../app/link.js';
import { KEPT, sample, type Sample } from './samples.js';

const EVERY = 2000;
const REFUSED_EVERY = 60000;

/** What is known of the figures, and whether they may be seen at all. */
export interface Figures {
  /** `refused`: not for this page; `away`: no answer at the moment. */
  readonly status: 'loading' | 'known' | 'refused' | 'away';
  readonly samples: readonly Sample[];
}

function next(old: Figures, metrics: Record<string, unknown>): Figures {
  const last = old.samples[old.samples.length - 1];
  const newest = sample(metrics, performance.now(), last);

  return {
    status: 'known',
    samples: [...old.samples, newest].slice(-KEPT),
  };
}

/** The figures of the last two minutes. */
export function useFigures(): Figures {
  const [figures, setFigures] = useState<Figures>({
    status: 'loading',
    samples: [],
  });

  useEffect(() => {
    const gone = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;

    async function ask(): Promise<void> {
      let wait = EVERY;

      clearTimeout(timer);

      try {
        const answer = await fetch(beside('metrics'), {
          cache: 'no-store',
          signal: gone.signal,
        });

        if (answer.ok) {
          const metrics = await answer.json() as Record<string, unknown>;

          setFigures((old) => next(old, metrics));
        } else {
          const away = answer.status >= 500;

          wait = away ? EVERY : REFUSED_EVERY;
          setFigures((old) => away ? { ...old, status: 'away' }
            : { status: 'refused', samples: [] });
        }
      } catch {
        if (!gone.signal.aborted) {
          setFigures((old) => ({ ...old, status: 'away' }));
        }
      }

      if (!gone.signal.aborted && !document.hidden) {
        clearTimeout(timer);
        timer = setTimeout(() => void ask(), wait);
      }
    }

    function look(): void {
      clearTimeout(timer);

      if (!document.hidden) {
        void ask();
      }
    }

    look();
    document.addEventListener('visibilitychange', look);

    return () => {
      gone.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, []);

  return figures;
}
