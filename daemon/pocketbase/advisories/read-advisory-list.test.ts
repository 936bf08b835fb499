import { writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { KNOWN_ADVISORIES } from './known-advisories.ts';
import { readAdvisoryList } from './read-advisory-list.ts';

const NEWER = { ...KNOWN_ADVISORIES, updated: '2027-01-31', advisories: [] };

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/list.json`;
}

it('reads a file, and an address', async () => {
  const directory = await scratch();
  await writeFile(
    join(directory, 'list.json'),
    JSON.stringify({ ...NEWER, later: 'a field of later releases' }),
  );
  expect(await readAdvisoryList('list.json', directory)).toEqual(NEWER);
  const url = await serve((_request, response) => void response.end(JSON.stringify(NEWER)));
  expect(await readAdvisoryList(url, directory)).toEqual(NEWER);
});

describe('rejects', () => {
  it.each([
    ['text', 'no JSON', 'JSON'],
    ['an older list', JSON.stringify({ ...KNOWN_ADVISORIES, updated: '2026-09-01' }), '2026-09-01'],
    ['a list without entries', '{}', 'updated'],
    [
      'a version that is none',
      JSON.stringify({ ...NEWER, recommended: [{ version: 'latest', reason: 'new' }] }),
      'recommended.0.version',
    ],
    [
      'control characters',
      JSON.stringify({ ...NEWER, recommended: [{ version: '1.0.0', reason: 'a\u001b[2Jb' }] }),
      'recommended.0.reason',
    ],
    [
      'marks that turn text around',
      JSON.stringify({ ...NEWER, recommended: [{ version: '1.0.0', reason: 'a\u202eb' }] }),
      'recommended.0.reason',
    ],
    ['too many bytes', JSON.stringify({ ...NEWER, more: 'x'.repeat(1024 * 1024) }), 'larger'],
  ])('%s', async (_what, text, says) => {
    const path = join(await scratch(), 'list.json');
    await writeFile(path, text);
    await expect(readAdvisoryList(path, '/')).rejects.toMatchObject({
      code: 'request.invalid',
      message: expect.stringContaining(says) as string,
    });
    const url = await serve((_request, response) => void response.end(text));
    await expect(readAdvisoryList(url, '/')).rejects.toMatchObject({ code: 'request.invalid' });
  });

  it('an address without TLS, and one that is not there', async () => {
    const expected = { code: 'request.invalid' };
    await expect(readAdvisoryList('http://example.com/list.json', '/')).rejects.toMatchObject(expected);
    const missing = await serve((_request, response) => void response.writeHead(404).end());
    await expect(readAdvisoryList(missing, '/')).rejects.toMatchObject({
      ...expected,
      message: expect.stringContaining('404') as string,
    });
    for (const path of ['/nowhere/list.json', '/dev/zero'])
      await expect(readAdvisoryList(path, '/')).rejects.toMatchObject(expected);
  });
});
