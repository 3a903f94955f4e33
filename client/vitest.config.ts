// How the unit tests run; a file that needs a page says so in its first line.

import { defineConfig } from 'vitest/config';

export default defineConfig({
  // no name is looked up, which not every machine can
  server: { host: '127.0.0.1' },

  test: {
    include: ['test/**/*.test.{ts,tsx}'],
    environment: 'node',
    testTimeout: 120_000,
    hookTimeout: 120_000,
    restoreMocks: true,
    unstubGlobals: true,
  },
});
