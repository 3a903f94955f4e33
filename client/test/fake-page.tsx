// A page that is none, for tests of components.

import { act, cleanup } from '@testing-library/react';
import { afterEach, beforeEach, vi } from 'vitest';
import type { Fields } from '../src/core/types.js';
import { FakeServer } from './fake-server.js';

/** The server that every WebSocket of the page connects to. */
export let server: FakeServer;

/** Lets time go by, and React render what came of it. */
export const pass = (ms = 20) => act(() => vi.advanceTimersByTimeAsync(ms));

/** Does something that React is to render the outcome of. */
export async function does(call: () => unknown): Promise<void> {
  await act(async () => {
    await call();
  });
  await pass();
}

/** The server lets the newest connection in. */
export async function welcome(
  user: string | null = 'alice', more: Fields = {},
): Promise<void> {
  await does(() => {
    server.last.welcome(user, { timestamp: Date.now(), ...more });
  });
}

/** The server sends something. */
export async function say(...messages: Fields[]): Promise<void> {
  await does(() => messages.forEach((message) => server.last.say(message)));
}

/** Sets the page up before each test of a file, and clears it after. */
export function usePage(): void {
  beforeEach(() => {
    vi.useFakeTimers();
    localStorage.clear();
    sessionStorage.clear();
    server = new FakeServer();
    vi.stubGlobal('WebSocket', server.Socket);
  });

  afterEach(async () => {
    cleanup();
    await vi.advanceTimersByTimeAsync(10);
    vi.useRealTimers();
  });
}

/** One who is present. */
export function reviewer(reviewerId: string, more: Fields = {}): Fields {
  return {
    reviewerId, userId: reviewerId, role: null, status: 'online',
    currentFeature: null, connectedAt: 1_700_000_000_000, ...more,
  };
}

/** The list of those who are present. */
export function list(...reviewers: Fields[]): Fields {
  return {
    type: 'presence-list', reviewers, total: reviewers.length,
    truncated: false, timestamp: Date.now(),
  };
}
