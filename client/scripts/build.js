// Builds the package: JavaScript and types into dist/, beside its styles.

import { spawnSync } from 'node:child_process';
import {
  copyFileSync, existsSync, mkdirSync, renameSync, rmSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const client = dirname(dirname(fileURLToPath(import.meta.url)));
const tsc = createRequire(import.meta.url).resolve('typescript/lib/tsc.js');

const made = join(client, 'dist.new');
const dist = join(client, 'dist');

const styles = ['react/style.css'];

rmSync(made, { recursive: true, force: true });

const { status } = spawnSync(process.execPath,
  [tsc, '-p', 'tsconfig.build.json', '--outDir', made],
  { cwd: client, stdio: 'inherit' });

if (status !== 0) {
  rmSync(made, { recursive: true, force: true });
  process.exit(1);
}

for (const name of styles.filter((name) =>
  existsSync(join(client, 'src', name)))) {
  mkdirSync(dirname(join(made, name)), { recursive: true });
  copyFileSync(join(client, 'src', name), join(made, name));
}

// What reads dist/ meanwhile finds the old one, or the new one.

rmSync(dist, { recursive: true, force: true });
renameSync(made, dist);
