import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkImportBoundaries, findImports, formatViolation } from '../../scripts/import-boundaries.ts';
import { textWith } from '../helpers/text-with.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fathom-boundaries-'));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

/** Writes one file whose second line imports `specifier`, and returns what the check says about the tree. */
function plant(file: string, specifier: string): string[] {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), `// planted\nimport { x } from '${specifier}';\n`);
  return checkImportBoundaries(root).map(formatViolation);
}

test('the source tree of Fathom keeps its import boundaries', () => {
  expect(checkImportBoundaries(join(import.meta.dirname, '../..')).map(formatViolation)).toEqual([]);
});

describe('a planted violation is reported with its file, line and rule', () => {
  test.each([
    ['daemon/base/a.ts', '../events/bus.ts', 'layer-order'],
    ['daemon/events/a.ts', '../config/config.ts', 'layer-order'],
    ['daemon/config/a.ts', '../keys/envelope.ts', 'layer-order'],
    ['daemon/keys/a.ts', '../control-plane/client.ts', 'layer-order'],
    ['daemon/control-plane/a.ts', '../accounts/permissions.ts', 'layer-order'],
    ['daemon/pocketbase/a.ts', '../control-plane/client.ts', 'layer-order'],
    ['daemon/supervisor/a.ts', '../databases/catalog.ts', 'layer-order'],
    ['daemon/accounts/a.ts', '../http/serve.ts', 'layer-order'],
    ['daemon/accounts/sessions/a.ts', './session-routes.ts', 'layer-order'],
    ['daemon/queue/a.ts', '../http/server.ts', 'layer-order'],
    ['daemon/http/a.ts', '../accounts/user-routes.ts', 'layer-order'],
    ['daemon/http/a.ts', '../startup/routes.ts', 'layer-order'],
    ['daemon/http/a.ts', '../../shared/client/http.ts', 'layer-order'],
    ['daemon/startup/a.ts', '../daemon.ts', 'layer-order'],
    ['daemon/daemon.ts', './cli/daemon/run/serve.ts', 'layer-order'],
    ['daemon/cli/a.ts', '../main.ts', 'layer-order'],
    ['daemon/base/a.test.ts', '../events/bus.ts', 'layer-order'],
    ['daemon/http/a.ts', '../new-folder/a.ts', 'layer-order'],
    ['shared/task.ts', './client/http.ts', 'layer-order'],
    ['tui/store/a.ts', '../widgets/Table.tsx', 'layer-order'],
    ['tui/store/a.ts', '../keys/places.ts', 'layer-order'],
    ['tui/theme.ts', './store/a.ts', 'layer-order'],
    ['tui/widgets/A.tsx', '../dialogs/Confirm.tsx', 'layer-order'],
    ['tui/dialogs/A.tsx', '../screens/Queue.tsx', 'layer-order'],
    ['tui/screens/A.tsx', '../app.tsx', 'layer-order'],
    ['tui/app.tsx', './main.tsx', 'layer-order'],
    ['tui/main.tsx', '../daemon/base/clock.ts', 'two-sides'],
    ['daemon/main.ts', '../tui/app.tsx', 'two-sides'],
    ['web/main.tsx', '../tui/app.tsx', 'two-sides'],
    ['web/database/a.ts', '../../daemon/base/clock.ts', 'two-sides'],
    ['tui/app.tsx', '../web/app.tsx', 'two-sides'],
    ['shared/task.ts', '../daemon/base/clock.ts', 'shared-alone'],
    ['shared/client/http.ts', '../../tui/theme.ts', 'shared-alone'],
    ['daemon/base/a.ts', '../../test/helpers/a.ts', 'product-only'],
    ['daemon/base/a.test.ts', '../../bench/a.ts', 'product-only'],
  ])('%s importing %s breaks %s', (file, specifier, rule) => {
    expect(plant(file, specifier)).toEqual([expect.stringContaining(`${file}:2: ${rule}: `)]);
  });

  test('a cycle over three files, also of types, at its first file', () => {
    plant('daemon/base/b.ts', './c.ts');
    plant('daemon/base/c.ts', './a.ts');
    writeFileSync(join(root, 'daemon/base/a.ts'), "import type { B } from './b.ts';\n");
    expect(checkImportBoundaries(root)).toEqual([
      {
        file: 'daemon/base/a.ts',
        line: 1,
        rule: 'cycle',
        message: textWith('daemon/base/a.ts', 'daemon/base/b.ts', 'daemon/base/c.ts'),
      },
    ]);
  });

  test('a file that imports itself', () => {
    expect(plant('daemon/base/a.ts', './a.ts')).toEqual([
      expect.stringContaining('daemon/base/a.ts:2: cycle: '),
    ]);
  });

  test('a file outside every layer', () => {
    expect(plant('daemon/utils.ts', 'node:fs')).toEqual([
      expect.stringContaining('daemon/utils.ts:1: unknown-layer: '),
    ]);
  });
});

test.each([
  ['daemon/main.ts', './base/clock.ts'],
  ['daemon/control-plane/a.ts', '../keys/envelope.ts'],
  ['daemon/http/a.ts', '../config/config.ts'],
  ['daemon/accounts/user-routes.ts', '../http/serve.ts'],
  ['daemon/cli/a.ts', '../../shared/client/http.ts'],
  ['daemon/http/a.test.ts', '../../shared/client/http.ts'],
  ['daemon/daemon.test.ts', '../test/helpers/daemon.ts'],
  ['shared/client/http.ts', '../protocol.ts'],
  ['tui/screens/A.tsx', '../theme.ts'],
  ['tui/store/a.ts', '../../shared/client/http.ts'],
  ['tui/main.tsx', 'react'],
  ['web/database/a.ts', '../../shared/client/fetch-client.ts'],
])('%s may import %s', (file, specifier) => {
  expect(plant(file, specifier)).toEqual([]);
});

test('every form of import is found on its line', () => {
  const source = [
    `import a from './default.ts';`,
    `import { b, // it's commented`,
    `} from "./double.ts";`,
    `import './effect.ts';`,
    `import type { C } from './type.ts';`,
    `export * from './all.ts';`,
    `export type { D } from './named.ts';`,
    `type E = import('./import-type.ts').E;`,
    `const quote = /['"\`]/; await import('./dynamic.ts');`,
    `require('./required.ts');`,
  ].join('\n');
  const found = findImports(source).map(({ specifier, line }) => `${line} ${specifier}`);
  expect(found).toEqual([
    '1 ./default.ts',
    '2 ./double.ts',
    '4 ./effect.ts',
    '5 ./type.ts',
    '6 ./all.ts',
    '7 ./named.ts',
    '8 ./import-type.ts',
    '9 ./dynamic.ts',
    '10 ./required.ts',
  ]);
});

test('an import in a comment, a string or a template is not an import', () => {
  const source = [
    `// import './a.ts'`,
    `/* import './b.ts' */`,
    `const text = "import './c.ts'";`,
    'const template = `',
    `import './d.ts';`,
    '`;',
    `export const from = 'e.ts';`,
    `const url = import.meta.url + './f.ts';`,
    `object.import('./g.ts');`,
  ].join('\n');
  expect(findImports(source)).toEqual([]);
});
