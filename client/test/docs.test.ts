// The examples of the guides: each is compiled as if it were a file.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';

const client = fileURLToPath(new URL('..', import.meta.url));
const pages = ['../docs/client.md', '../docs/client-react.md', 'README.md'];

/** What examples have from those before them, or from elsewhere. */
const GIVEN = `
  import type { Client, Presence } from 'ngx-conductor-client';

  declare global {
    const client: Client;
    const presence: Presence;
  }
`;

const ELSEWHERE = `
  declare module 'next/navigation' {
    export function usePathname(): string;
  }
`;

/** A virtual file for each block of code, named by its page and number. */
const files = new Map(pages.flatMap((page) => {
  const text = readFileSync(join(client, page), 'utf8');

  return [...text.matchAll(/^```(?:js|tsx?)\n([^]*?)^```/gm)]
    .map(([, code], i) => [
      join(client, 'test', `${page.replace(/\W+/g, '-')}-${i + 1}.tsx`),
      `${code}\nexport {};\n`,
    ] as const);
}));

const all = new Map<string, string>(files)
  .set(join(client, 'test/given.ts'), GIVEN)
  .set(join(client, 'test/elsewhere.d.ts'), ELSEWHERE);

function compile(): Map<string, string[]> {
  const { config } = ts.readConfigFile(
    join(client, 'tsconfig.json'), ts.sys.readFile) as
    { config: { compilerOptions: object } };
  const { options } = ts.convertCompilerOptionsFromJson({
    ...config.compilerOptions,
    noUnusedLocals: false,
    exactOptionalPropertyTypes: false,
    paths: {
      'ngx-conductor-client': ['./src/index.ts'],
      'ngx-conductor-client/react': ['./src/react/index.ts'],
    },
  }, client);
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;

  host.fileExists = (name) => all.has(name) || fileExists(name);
  host.readFile = (name) => all.get(name) ?? readFile(name);
  host.getSourceFile = (name, target, ...rest) => {
    const text = all.get(name);

    return text === undefined ? getSourceFile(name, target, ...rest)
      : ts.createSourceFile(name, text, target);
  };

  const program = ts.createProgram([...all.keys()], options, host);

  return new Map([...all.keys()].map((name) => {
    const source = program.getSourceFile(name);

    return [name, [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ].map((d) => ts.flattenDiagnosticMessageText(d.messageText, '\n'))];
  }));
}

it('the guides have examples', () => {
  expect(files.size).toBeGreaterThan(15);
});

it('every example of the guides compiles', () => {
  const faults = [...compile()].filter(([, found]) => found.length);

  expect(faults).toEqual([]);
}, 120_000);
