import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withApiTables } from '../../scripts/api-table.ts';
import { ERROR_CODES } from '../../shared/errors.ts';

const docs = (name: string) => readFileSync(join(import.meta.dirname, '../../docs', name), 'utf8');

it('docs/api.md lists the operations of the API; `npm run docs:api` writes them', () => {
  const document = docs('api.md');
  expect(document).toBe(withApiTables(document));
});

it('docs/clients.md names codes that exist, with their status', () => {
  const rows = [...docs('clients.md').matchAll(/^\| (\d{3}) \| `([\w.]+)`/gm)];
  expect(rows.length).toBeGreaterThan(5);
  for (const [, status, code] of rows)
    expect(ERROR_CODES).toMatchObject({ [code ?? '']: { status: Number(status) } });
});
