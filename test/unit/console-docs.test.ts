import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withKeyTables } from '../../scripts/key-tables.ts';

it("docs/console.md lists the console's keys; `npm run docs:keys` writes them", () => {
  const document = readFileSync(join(import.meta.dirname, '../../docs/console.md'), 'utf8');
  expect(document).toBe(withKeyTables(document));
});
