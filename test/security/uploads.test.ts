import { request } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { directoryBytes } from '../../daemon/supervisor/disk/database-usage.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { type Session, signUp } from '../helpers/http-call.ts';
import { stallUpload } from '../helpers/stalled-upload.ts';
import { until } from '../helpers/until.ts';

const MIB = 1024 * 1024;
/** The least bound of temporary files, see `uploadBoundOf`. PocketBase stores a body up to twice. */
const BOUND = 512 * MIB;

let fathom: Deployment;
let ann: Session;
const sockets: Socket[] = [];

beforeAll(async () => {
  fathom = await createDeployment();
  await fathom.start();
  ann = await signUp(fathom.url, 'ann@example.com');
  await fathom.client.databases.update(ann.database.name, { disk_mb: 30 });
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await fathom.dispose();
});

const instance = () => fathom.client.databases.get(ann.database.name);
const temporaryBytes = () => directoryBytes(join(fathom.dataDir, 'user_dbs', ann.database.name, 'tmp'));

async function stall(megabytes: number, authorization = ''): Promise<Socket> {
  const socket = await stallUpload(ann.database.port, megabytes, authorization);
  sockets.push(socket);
  return socket;
}

/** The status of a POST with a body, which is not sent when the response comes before. */
function statusOf(bytes: number | null, authorization = ''): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(`${ann.database.url}/api/collections/documents/records`, {
      method: 'POST',
      headers: {
        'content-type': 'multipart/form-data; boundary=part',
        ...(bytes === null ? {} : { 'content-length': bytes }),
        ...(authorization === '' ? {} : { authorization }),
      },
      agent: false,
    });
    sent.once('error', reject);
    sent.once('response', (response) => {
      resolve(response.statusCode ?? 0);
      sent.removeAllListeners('error').on('error', () => {});
      sent.destroy();
    });
    // Go reads the rest of a body without a length, up to a bound, before it sends a response.
    sent.write('--part');
    if (bytes === null) sent.end();
  });
}

async function upload(megabytes: number): Promise<number> {
  const form = new FormData();
  form.set('title', 'mine');
  form.set('files', new Blob([Buffer.alloc(megabytes * MIB, 'x')]), 'f.txt');
  const response = await fetch(`${ann.database.url}/api/collections/documents/records`, {
    method: 'POST',
    headers: { authorization: ann.database.token },
    body: form,
  });
  return response.status;
}

describe('unfinished uploads of strangers', () => {
  it('do not count for the disk limit', async () => {
    const { pid } = await instance();
    const socket = await stall(60);
    await until(async () => (await temporaryBytes()) > 60 * MIB, { what: 'temporary files' });
    // Makes the disk watch measure.
    expect(await upload(1)).toBe(200);
    await fathom.client.databases.update(ann.database.name, { disk_mb: 31 });
    await until(async () => ((await instance()).usage?.disk_bytes ?? 0) > MIB, { what: 'a measurement' });
    expect(await instance()).toMatchObject({ pid, phase: 'running', reason: null });
    expect((await instance()).usage?.disk_bytes).toBeLessThan(20 * MIB);
    socket.destroy();
    await until(async () => (await temporaryBytes()) < MIB, { what: 'PocketBase to remove them' });
  });

  it('are ended over a bound, with the reason', async () => {
    const { pid } = await instance();
    await Promise.all([stall(160), stall(160), stall(160)]);
    await until(
      async () => {
        const now = await instance();
        return now.phase === 'running' && now.pid !== pid && now.reason?.code === 'over_uploads';
      },
      { what: 'the restart', timeoutMs: 60_000 },
    );
    expect(await temporaryBytes()).toBeLessThan(MIB);
  });

  it('are then refused before anything is stored, without another restart', async () => {
    const { pid } = await instance();
    expect(await statusOf(100 * MIB)).toBe(413);
    expect(await statusOf(null)).toBe(411);
    await Promise.all([stall(160), stall(160), stall(160)]);
    expect(await temporaryBytes()).toBeLessThan(MIB);
    expect((await instance()).pid).toBe(pid);
    expect(await statusOf(null, ann.database.token)).toBe(411);
  });

  it('do not stop the owner, whose own unfinished ones have a bound', async () => {
    const { token } = ann.database;
    expect(await upload(12)).toBe(200);
    expect(await statusOf(BOUND, token)).toBe(413);
    const first = await stall(200, token);
    await until(async () => (await temporaryBytes()) > 200 * MIB, { what: 'temporary files' });
    expect(await statusOf(100 * MIB, token)).toBe(429);
    expect(await upload(1)).toBe(200);
    first.destroy();
    await until(async () => (await upload(12)) !== 429, { what: 'the end of the first one' });
  });
});
