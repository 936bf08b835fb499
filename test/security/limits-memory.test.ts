import { setTimeout as wait } from 'node:timers/promises';
import { crc32, deflateSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Instance } from '../../shared/api/instances.ts';
import { createDeployment, type Daemon, type Deployment } from '../helpers/deployment.ts';
import { call, type Session, signUp } from '../helpers/http-call.ts';
import { logLines } from '../helpers/log-lines.ts';
import { until } from '../helpers/until.ts';

const LIMIT_MB = 96;
const MIB = 1024 * 1024;

let fathom: Deployment;
let daemon: Daemon;
let attacker: Session;
let neighbour: Session;
let neighboursPid: number;

beforeAll(async () => {
  fathom = await createDeployment({ DATABASE_MEMORY_MB: String(LIMIT_MB) });
  daemon = await fathom.start();
  attacker = await signUp(fathom.url, 'attacker@example.com');
  neighbour = await signUp(fathom.url, 'neighbour@example.com');
});

afterAll(() => fathom.dispose());

const instanceOf = ({ database }: Session): Promise<Instance> => fathom.client.databases.get(database.name);

beforeEach(async () => {
  await fathom.client.databases.start(attacker.database.name);
  neighboursPid = (await instanceOf(neighbour)).pid ?? 0;
});

/** The reasons of the ends of the attacked instance since a position in the log of the daemon. */
const ends = (since: number) =>
  logLines(daemon.output().slice(since))
    .filter((line) => line['instance'] === attacker.database.name && line['decision'] !== undefined)
    .map((line) => line['reason']);

const documents = ({ database }: Session) => `${database.url}/api/collections/documents/records`;

/** One megabyte of JSON per record. */
async function fillDatabase(records: number): Promise<void> {
  const data = { text: 'x'.repeat(900_000) };
  for (let index = 0; index < records; index += 1) {
    const body = { title: `${index}`, data };
    const { status } = await call('POST', documents(attacker), {
      body,
      headers: { authorization: attacker.database.token },
    });
    expect(status).toBe(200);
  }
}

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** A grey image of a few kilobytes that takes `side`² × 4 bytes when it is decoded. */
function bomb(side: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([1, 0, 0, 0, 0], 8);
  const pixels = deflateSync(Buffer.alloc((side / 8 + 1) * side), { level: 9 });
  return Buffer.concat([
    Buffer.from('\u0089PNG\r\n\u001A\n', 'latin1'),
    pngChunk('IHDR', header),
    pngChunk('IDAT', pixels),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

async function uploadBomb(): Promise<string> {
  const form = new FormData();
  form.append('title', 'bomb');
  form.append('files', new Blob([bomb(12_000)], { type: 'image/png' }), 'bomb.png');
  const headers = { authorization: attacker.database.token };
  const created = await fetch(documents(attacker), { method: 'POST', body: form, headers });
  const { id, files } = (await created.json()) as { id: string; files: string[] };
  const access = await fetch(`${attacker.database.url}/api/files/token`, { method: 'POST', headers });
  const { token } = (await access.json()) as { token: string };
  return `${attacker.database.url}/api/files/documents/${id}/${files[0] ?? ''}?thumb=100x100&token=${token}`;
}

const ATTACKS: Record<string, () => Promise<() => Promise<unknown>>> = {
  // Each of another image: PocketBase keeps a thumbnail that could be made.
  'thumbnails of an image that is small as a file': () =>
    Promise.resolve(async () => fetch(await uploadBomb())),
  'lists of large records': async () => {
    await fillDatabase(30);
    const headers = { authorization: attacker.database.token };
    return () => fetch(`${documents(attacker)}?perPage=500`, { headers });
  },
  'large bodies at the same time': () => {
    const headers = { authorization: attacker.database.token, 'content-type': 'application/json' };
    const body = JSON.stringify({ title: 'x', data: Array.from({ length: 3_000_000 }, () => 1) });
    return Promise.resolve(() => fetch(documents(attacker), { method: 'POST', headers, body }));
  },
  'uploads at the same time': () => {
    const headers = { authorization: attacker.database.token };
    const file = new Blob([Buffer.alloc(30 * MIB)]);
    return Promise.resolve(() => {
      const form = new FormData();
      // Refused after it was read, so that it needs no space on the disk.
      form.append('title', 'x'.repeat(501));
      form.append('files', file, 'large.bin');
      return fetch(documents(attacker), { method: 'POST', headers, body: form });
    });
  },
};

it.each(Object.entries(ATTACKS))(
  '%s end in the end of that instance, with the reason',
  async (_name, prepare) => {
    const since = daemon.output().length;
    const request = await prepare();
    const attack = new AbortController();
    const attackers = Array.from({ length: 8 }, async () => {
      while (!attack.signal.aborted) await request().catch(() => wait(20));
    });
    try {
      await until(() => ends(since).includes('over_memory'), { what: 'the end of the instance' });
    } finally {
      attack.abort();
      await Promise.all(attackers);
    }
    // Nothing else ended it, and the others were not touched.
    expect(new Set(ends(since))).toEqual(new Set(['over_memory']));
    expect(await instanceOf(neighbour)).toMatchObject({ phase: 'running', pid: neighboursPid, restarts: 0 });
    await fathom.client.databases.start(attacker.database.name);
  },
);
