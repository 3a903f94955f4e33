// A store like the browser's, which can be full or forbidden.

import type { Store } from '../../src/core/types.js';

/** What a tab, or several, keep. */
export class FakeStore implements Store {
  readonly data = new Map<string, string>();
  full = false;
  forbidden = false;
  writes = 0;

  getItem(key: string): string | null {
    this.#check();
    return this.data.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.#check();

    if (this.full) {
      throw new DOMException('no room', 'QuotaExceededError');
    }

    this.writes++;
    this.data.set(key, value);
  }

  removeItem(key: string): void {
    this.#check();
    this.data.delete(key);
  }

  #check(): void {
    if (this.forbidden) {
      throw new DOMException('not here', 'SecurityError');
    }
  }
}
