/** `npm run docs:api`: brings the tables of `docs/api.md` up to date with the declared operations. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withApiTables } from './api-table.ts';

const path = join(import.meta.dirname, '../docs/api.md');
writeFileSync(path, withApiTables(readFileSync(path, 'utf8')));
