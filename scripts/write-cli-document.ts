/** `npm run docs:cli`: writes `docs/cli.md` from the commands. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cliDocument } from './cli-document.ts';

writeFileSync(join(import.meta.dirname, '../docs/cli.md'), cliDocument());
