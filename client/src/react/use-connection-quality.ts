// The hook that measures a connection.

import {
  useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore,
} from 'react';
import { createQuality, OFFLINE } from '../core/quality.js';
import type { QualityMetrics } from '../core/quality.js';
import { ConductorError } from '../core/error.js';
import type { Send, Status } from '../core/types.js';
import { SessionContext, useEarlyEffect } from './context.js';

/** What {@link useConnectionQuality} is given. */
export interface UseConnectionQualityOptions {
  /** In place of those of the provider above. */
  readonly status?: Status;
  readonly send?: Send;
  /** Milliseconds between two pings; 10,000 unless told. */
  readonly checkInterval?: number;
}

/** What {@link useConnectionQuality} gives. */
export interface ConnectionQuality extends QualityMetrics {
  readonly startMonitoring: () => void;
  readonly stopMonitoring: () => void;
}

/**
 * Measures a connection from when the component is there until it goes, or
 * until `stopMonitoring` is called.
 *
 * @example
 * ```tsx
 * const ws = useWebSocket({ url, token });
 * const quality = useConnectionQuality({ status: ws.status, send: ws.send });
 * return <ConnectionQualityBadge status={ws.status} metrics={quality} />;
 * ```
 */
export function useConnectionQuality(
  options: UseConnectionQualityOptions = {},
): ConnectionQuality {
  const { checkInterval = 10_000 } = options;
  const session = useContext(SessionContext);
  const above = useSyncExternalStore(session?.listen ?? never,
    () => session?.client.state.status ?? 'idle', () => 'idle' as const);
  const status = options.status ?? above;
  const send = options.send ?? session?.client.send ?? refuse;

  const latest = useRef(send);
  const here = useRef(false);
  const wanted = useRef(true);

  const make = () => ({ checkInterval, monitor: createQuality({
    status: 'idle', checkInterval,
    send: (...what) => latest.current(...what),
  }) });
  const [held, hold] = useState(make);
  let current = held;

  if (held.checkInterval !== checkInterval) {
    current = make();
    hold(current);
  }

  const { monitor } = current;
  const metrics = useSyncExternalStore(monitor.onChange,
    () => monitor.metrics, () => OFFLINE);

  useEarlyEffect(() => {
    latest.current = send;
  });

  useEffect(() => {
    monitor.setStatus(status);
  }, [monitor, status]);

  useEffect(() => {
    here.current = true;
    wanted.current && monitor.start();

    return () => {
      here.current = false;
      monitor.stop();
    };
  }, [monitor]);

  const methods = useMemo(() => ({
    startMonitoring() {
      wanted.current = true;
      here.current && monitor.start();
    },

    stopMonitoring() {
      wanted.current = false;
      monitor.stop();
    },
  }), [monitor]);

  return useMemo(() => ({ ...metrics, ...methods }), [metrics, methods]);
}

function never(): () => void {
  return () => undefined;
}

const refuse: Send = () => Promise.reject(
  new ConductorError('disconnected', 'there is no connection'));
