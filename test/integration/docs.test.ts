import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../shared/errors.ts';
import { INSTANCE_PHASES, PHASE_REASON_CODES } from '../../shared/instance.ts';
import { deployment } from '../helpers/harness.ts';

const docs = (name: string) => readFile(join(import.meta.dirname, '..', '..', 'docs', name), 'utf8');

describe('the documentation', () => {
  it('lists every route of the API, and no other', async () => {
    const fathom = await deployment();
    await fathom.start();
    const response = await fetch(`${fathom.url}/openapi.json`);
    const { paths } = (await response.json()) as { paths: Record<string, Record<string, unknown>> };
    const served = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const written = [...(await docs('api.md')).matchAll(/^\| ([A-Z, ]+) \| (`\/.+?) \|/gm)].flatMap(
      ([, methods = '', paths_ = '']) =>
        [...paths_.matchAll(/`([^`]+)`/g)].flatMap(([, path]) =>
          methods.split(', ').map((method) => `${method} ${path}`),
        ),
    );
    // Told in words: its answer is not JSON.
    expect(written.filter((route) => route !== 'GET /metrics').toSorted()).toEqual(served.toSorted());
  });

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
