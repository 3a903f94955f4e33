// Goes back through history: fetches it, and shows it step by step.

import { useCallback, useEffect, useRef, useState } from 'react';

import type { Client, UnknownEvent } from '../../src/core/types.js';
import type { Wanted } from './entries.js';
import { history, type History } from './history.js';
import { filterOf } from './useFilter.js';
import { useStart } from './useStart.js';

const STEP = 700;

/** What {@link useReplay} gives. */
export interface Replay {
  readonly status: 'off' | 'loading' | 'failed' | 'on';
  readonly history: History | null;
  /** From when on, in Unix milliseconds. */
  readonly from: number | null;
  /** How many events are shown, from the oldest on. */
  readonly position: number;
  readonly playing: boolean;
  readonly shown: readonly UnknownEvent[];
  begin(wanted: Wanted): void;
  move(position: number): void;
  play(playing: boolean): void;
  end(): void;
}

interface Playback {
  readonly status: Replay['status'];
  readonly history: History | null;
  readonly position: number;
  readonly playing: boolean;
}

const OFF: Playback = {
  status: 'off', history: null, position: 0, playing: false,
};

function stepped(old: Playback): Playback {
  const length = old.history?.events.length ?? 0;
  const position = Math.min(old.position + 1, length);

  return { ...old, position, playing: position < length };
}

/** Off until {@link Replay.begin}. */
export function useReplay(client: Client): Replay {
  const { start, forget } = useStart(client);
  const [playback, setPlayback] = useState(OFF);
  const request = useRef<AbortController | null>(null);
  const { status, playing, position } = playback;

  useEffect(() => {
    if (!playing) {
      return undefined;
    }

    const timer = setInterval(() => setPlayback(stepped), STEP);

    return () => clearInterval(timer);
  }, [playing]);

  useEffect(() => () => request.current?.abort(), []);

  const begin = useCallback((wanted: Wanted) => {
    const mine = new AbortController();

    request.current?.abort();
    request.current = mine;
    setPlayback({ ...OFF, status: 'loading' });

    history(client, start?.since ?? '', filterOf(wanted), mine.signal)
      .then((past) => {
        // a position that the server does not know will not become known
        if (!past.complete && past.events.length === 0) {
          forget();
        }

        setPlayback({
          status: 'on',
          history: past,
          position: past.events.length,
          playing: false,
        });
      }, () => {
        if (!mine.signal.aborted) {
          setPlayback({ ...OFF, status: 'failed' });
        }
      });
  }, [client, start, forget]);

  function play(run: boolean): void {
    setPlayback((old) => {
      const over = old.position >= (old.history?.events.length ?? 0);

      return {
        ...old, playing: run, position: run && over ? 0 : old.position,
      };
    });
  }

  return {
    status,
    history: playback.history,
    from: start?.at ?? null,
    position,
    playing,
    shown: playback.history?.events.slice(0, position) ?? [],
    begin,
    move: (to) => setPlayback((old) => ({ ...old, position: to,
      playing: false })),
    play,
    end: () => {
      request.current?.abort();
      setPlayback(OFF);
    },
  };
}
