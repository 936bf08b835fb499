import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withPhaseDiagram } from '../../scripts/phase-diagram.ts';
import { withReasonTable } from '../../scripts/reason-table.ts';
import { ERROR_CODES } from '../../shared/errors.ts';
import { INSTANCE_PHASES } from '../../shared/instance.ts';

const docs = (name: string) => readFile(join(import.meta.dirname, '..', '..', 'docs', name), 'utf8');

describe('the documentation', () => {
  it('explains every phase', async () => {
    const text = await docs('states.md');
    for (const phase of INSTANCE_PHASES) expect(text).toContain(`\`${phase}\``);
  });

  it('has a table of the reasons; `npm run docs:reasons` writes it', async () => {
    const text = await docs('states.md');
    expect(text).toBe(withReasonTable(text));
  });

  it('has a diagram of the phases; `npm run docs:phases` writes it', async () => {
    const text = await docs('architecture.md');
    expect(text).toBe(withPhaseDiagram(text));
  });

  it('gives each decision a number, a status and a date', async () => {
    const folder = join(import.meta.dirname, '../../docs/decisions');
    const names = (await readdir(folder)).filter((name) => /^\d/.test(name)).toSorted();
    const index = await docs('decisions/README.md');
    // A number can be missing: it is given before the decision is finished.
    expect(new Set(names.map((name) => name.slice(0, 4))).size).toBe(names.length);
    for (const name of names) {
      const number = name.slice(0, 4);
      const text = await readFile(join(folder, name), 'utf8');
      expect(text).toMatch(
        new RegExp(
          `^# ${number}: .+\n\nStatus: (accepted(, extended by \\[\\d{4}\\]\\(.+\\))?|superseded by \\d{4}) · Date: \\d{4}-\\d\\d-\\d\\d\n`,
        ),
      );
      expect(index).toContain(`[${number}](${name})`);
    }
  });

  it('gives each error code a status that HTTP knows and an exit code', () => {
    for (const { status, exit } of Object.values(ERROR_CODES)) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(600);
      expect(exit).toBeGreaterThan(0);
      expect(exit).toBeLessThan(128);
    }
  });
});
