import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../shared/errors.ts';
import { INSTANCE_PHASES, PHASE_REASON_CODES } from '../../shared/instance.ts';

const docs = (name: string) => readFile(join(import.meta.dirname, '..', '..', 'docs', name), 'utf8');

describe('the documentation', () => {
  it('explains every phase and every reason', async () => {
    const text = await docs('states.md');
    for (const word of [...INSTANCE_PHASES, ...PHASE_REASON_CODES.filter((code) => code !== 'requested')]) {
      expect(text).toContain(`\`${word}\``);
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
