// Builds the dashboard into share/dashboard/, the same bytes every time.

import { defineConfig } from 'vite';

// "./" in its addresses: the page works under any location.
const config = defineConfig({
  base: './',
  esbuild: { jsx: 'automatic', legalComments: 'none' },
  build: {
    outDir: '../../share/dashboard',
    emptyOutDir: true,
    target: 'es2021',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rollupOptions: {
      onwarn(warning, warn) {
        // 'use client' is for those who render on a server
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE'
          && warning.code !== 'SOURCEMAP_ERROR') {
          warn(warning);
        }
      },
    },
  },
});

export default config;
