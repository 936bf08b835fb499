/** `npm run docs`: writes the documents, and the parts of documents, that derive from the code. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withApiTables } from './api-table.ts';
import { cliDocument } from './cli-document.ts';
import { withKeyTables } from './key-tables.ts';
import { consoleManual, daemonManual } from './manuals.ts';
import { metricsDocument } from './metrics-document.ts';
import { withPhaseDiagram } from './phase-diagram.ts';
import { withReasonTable } from './reason-table.ts';
import { envSample, settingsDocument } from './settings-document.ts';

const ROOT = join(import.meta.dirname, '..');

const WRITERS: Readonly<Record<string, Readonly<Record<string, (current: () => string) => string>>>> = {
  api: { 'docs/api.md': (current) => withApiTables(current()) },
  cli: {
    'docs/cli.md': cliDocument,
    'man/fathomd.8': daemonManual,
    'man/fathom-tui.1': consoleManual,
  },
  keys: { 'docs/console.md': (current) => withKeyTables(current()) },
  metrics: { 'docs/metrics.md': metricsDocument },
  phases: { 'docs/architecture.md': (current) => withPhaseDiagram(current()) },
  reasons: { 'docs/states.md': (current) => withReasonTable(current()) },
  settings: { 'docs/settings.md': settingsDocument, '.env.sample': envSample },
};

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(WRITERS);
for (const [file, write] of names.flatMap((name) => Object.entries(WRITERS[name] ?? {}))) {
  const path = join(ROOT, file);
  writeFileSync(
    path,
    write(() => readFileSync(path, 'utf8')),
  );
}
