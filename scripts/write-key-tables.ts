/** `npm run docs:keys`: brings the tables of `docs/console.md` up to date with the keys of the console. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withKeyTables } from './key-tables.ts';

const path = join(import.meta.dirname, '../docs/console.md');
writeFileSync(path, withKeyTables(readFileSync(path, 'utf8')));
