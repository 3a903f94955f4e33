// Prints a script with all that it imports, as a page would load it:
// bundle.js FILE-OR-TEXT [EXTERNAL...].  NODE_ENV is production unless told.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const client = dirname(dirname(fileURLToPath(import.meta.url)));
const [, , entry, ...external] = process.argv;

const { outputFiles } = await build({
  ...(entry.includes('\n') || entry.includes(' ')
    ? { stdin: { contents: entry, resolveDir: client, loader: 'tsx' } }
    : { entryPoints: [entry] }),
  nodePaths: [join(client, 'node_modules')],
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2021',
  jsx: 'automatic',
  define: {
    'process.env.NODE_ENV':
      JSON.stringify(process.env.NODE_ENV ?? 'production'),
  },
  external,
  write: false,
});

process.stdout.write(outputFiles[0].text);
