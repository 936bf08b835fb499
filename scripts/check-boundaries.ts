import { join } from 'node:path';
import { checkImportBoundaries, formatViolation } from './import-boundaries.ts';

// Run by `npm run lint`: one line per violation, exit 1 if there is one.
const violations = checkImportBoundaries(join(import.meta.dirname, '..'));
for (const violation of violations) process.stderr.write(`${formatViolation(violation)}\n`);
process.exitCode = violations.length === 0 ? 0 : 1;
