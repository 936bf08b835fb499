/** `npm run docs:metrics`: writes `docs/metrics.md` from the table of metrics. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { metricsDocument } from './metrics-document.ts';

writeFileSync(join(import.meta.dirname, '../docs/metrics.md'), metricsDocument());
