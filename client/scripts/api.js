// Writes docs/client-api.md from the doc comments of what is exported.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import {
  Application, CommentTag, Converter, ReflectionKind,
} from 'typedoc';

const client = dirname(dirname(fileURLToPath(import.meta.url)));
const [page = join(client, '..', 'docs', 'client-api.md')] =
  process.argv.slice(2);

const head = `# The browser package: its API

Made from the comments of the source by \`make api\`.  What comes from
\`ngx-conductor-client\` is listed first, what comes from
\`ngx-conductor-client/react\` after that.

`;

const names = [
  [ReflectionKind.Class, 'Classes'],
  [ReflectionKind.SomeType, 'Types'],
  [ReflectionKind.Function, 'Functions'],
  [ReflectionKind.Variable, 'Values'],
];

const order = [
  'Functions', 'Classes', 'Values', 'Types',
  'React: Functions', 'React: Values', 'React: Classes', 'React: Types',
];

const made = mkdtempSync(join(tmpdir(), 'conductor-api-'));

const app = await Application.bootstrapWithPlugins({
  plugin: ['typedoc-plugin-markdown'],
  entryPoints: [join(client, 'scripts', 'api.ts')],
  tsconfig: join(client, 'tsconfig.json'),
  out: made,
  readme: 'none',
  disableSources: true,
  excludeExternals: true,
  excludeInternal: true,
  excludePrivate: true,
  groupOrder: order,
  sort: ['alphabetical'],
  logLevel: 'Warn',
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
  validation: { notExported: true, invalidLink: true },
  // of the plugin
  outputFileStrategy: 'modules',
  entryFileName: 'api',
  hidePageHeader: true,
  hidePageTitle: true,
  hideBreadcrumbs: true,
  useCodeBlocks: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  classPropertiesFormat: 'table',
  typeAliasPropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
  propertyMembersFormat: 'table',
  tableColumnSettings: {
    hideDefaults: true,
    hideInherited: true,
    hideModifiers: true,
    hideOverrides: true,
    hideSources: true,
  },
});

// A heading for each kind, and the React part under its own.

app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
  for (const it of context.project.children ?? []) {
    const [, name] = names.find(([kind]) => it.kindOf(kind)) ?? [];
    const [declared] = context.getSymbolFromReflection(it)?.declarations ?? [];
    const react = declared?.getSourceFile().fileName.includes('/src/react/');

    const group = (react ? 'React: ' : '') + (name ?? 'Other');
    const tag = new CommentTag('@group', [{ kind: 'text', text: group }]);

    const comments = [it, ...(it.signatures ?? [])]
      .map(({ comment }) => comment).filter((comment) => comment);

    if (!comments.length) {
      app.logger.error(`${it.name} has no comment`);
    }

    for (const comment of comments) {
      comment.blockTags.push(tag);
    }
  }
});

const project = await app.convert();

if (!project) {
  process.exit(1);
}

app.validate(project);

await app.generateOutputs(project);

if (app.logger.hasErrors() || app.logger.hasWarnings()) {
  process.exit(1);
}

const text = readFileSync(join(made, 'api.md'), 'utf8')
  .replaceAll('\n***\n', '').trimEnd() + '\n';
rmSync(made, { recursive: true });

writeFileSync(page, head + text);
