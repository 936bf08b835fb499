import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, launchChromium } from '../helpers/chromium.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const PACKAGE = join(ROOT, 'dist', 'client');
const TSC = join(ROOT, 'node_modules', '.bin', 'tsc');

/** Lines with an error are marked: the check fails without one. */
const MISUSE = `
import { createFathomClient, type FathomClient, type Topic, type WorkFrame, type WorkItem } from 'fathom-client';
import * as viaFathom from 'fathom/client';
const client: FathomClient = viaFathom.createFathomClient({ url: 'http://127.0.0.1:3000' });
export const made = createFathomClient({ url: new URL('http://127.0.0.1:3000'), token: undefined, fetch });
export async function read(item: WorkItem, topic: Topic): Promise<string[]> {
  made.openStream({ topics: [topic], onLink() {}, onSnapshot() {}, onEvent({ event }) { void event.kind; } });
  made.openStream({
    topics: ['instances', \`work:\${item.project_id}\`],
    onLink() {},
    onSnapshot() {},
    onEvent() {},
    onProject: (frame: WorkFrame) => {
      if (frame.type === 'snapshot') void frame.data.phase.length;
      else if (frame.event.kind === 'work_item.created') void frame.event.data?.labels.length;
    },
  });
  const all = await client.users.all({ is_active: true, sort: '-email' });
  for (const { email } of all) void email.length;
  for await (const bytes of await client.exports.user(item.id)) void bytes.length;
  await client.work.moveWorkItem(item.id);
  return item.labels;
}
export async function misuse(item: WorkItem): Promise<void> {
  // @ts-expect-error a required field is missing
  await client.work.createWorkItem({ item_type: 'task' });
  // @ts-expect-error not one of the types
  await client.work.createWorkItem({ item_type: 'bug', title: 'x' });
  // @ts-expect-error an unknown field
  await client.work.createProject({ title: 'x', colour: 'red' });
  // @ts-expect-error the query is a number
  await client.work.listWorkItems({ page: '2' });
  // @ts-expect-error the parameter of the path is missing
  await client.work.getWorkItem();
  // @ts-expect-error it may be null
  void item.assignee.name;
  // @ts-expect-error there is no such topic
  made.openStream({ topics: ['weather'], onLink() {}, onSnapshot() {}, onEvent() {} });
  // @ts-expect-error declared, but not exported
  void viaFathom.FleetStream;
}
`;

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fathom-client-'));
  const { stdout } = await execa('npm', ['pack', PACKAGE, '--json', '--pack-destination', directory]);
  const [packed] = JSON.parse(stdout) as { filename: string; files: { path: string }[] }[];
  expect(packed?.files.map(({ path }) => path).toSorted()).toEqual([
    'LICENSE',
    'index.d.ts',
    'index.js',
    'package.json',
  ]);
  await writeFile(join(directory, 'package.json'), JSON.stringify({ type: 'module' }));
  await execa('npm', ['install', '--offline', '--no-audit', `./${packed?.filename}`], { cwd: directory });
  const modules = join(directory, 'node_modules');
  for (const name of ['pocketbase', '@types', 'undici-types'])
    await symlink(join(ROOT, 'node_modules', name), join(modules, name));
  // What the package of the daemon shows of itself, without the rest of it.
  await cp(join(ROOT, 'package.json'), join(modules, 'fathom', 'package.json'));
  await cp(PACKAGE, join(modules, 'fathom', 'dist', 'client'), { recursive: true });
  await cp(join(ROOT, 'examples', 'client', 'app.ts'), join(directory, 'app.ts'));
  await writeFile(join(directory, 'misuse.ts'), MISUSE);
});

afterAll(() => rm(directory, { recursive: true, force: true }));

it.each(['nodenext', 'bundler'])(
  'has types that a strict program uses with moduleResolution %s',
  async (resolution) => {
    const { all } = await execa(
      TSC,
      [
        ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--noEmit'],
        [
          '--target',
          'es2022',
          '--types',
          'node',
          '--module',
          resolution === 'bundler' ? 'esnext' : resolution,
        ],
        ['--moduleResolution', resolution, 'app.ts', 'misuse.ts'],
      ].flat(),
      { cwd: directory, all: true, reject: false },
    );
    expect(all).toBe('');
  },
);

it('has types that need no types of Node', async () => {
  const { all } = await execa(
    TSC,
    ['--strict', '--noEmit', '--types', '', '--lib', 'es2022,dom', '--module', 'nodenext', 'misuse.ts'],
    { cwd: directory, all: true, reject: false },
  );
  expect(all).toBe('');
});

describe('beside a daemon', () => {
  let fathom: Deployment;
  let server: Server;
  let origin: string;

  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url !== '/client.js') {
        response.writeHead(200, { 'content-type': 'text/html' }).end();
        return;
      }
      void readFile(join(PACKAGE, 'index.js')).then((body) =>
        response.writeHead(200, { 'content-type': 'text/javascript' }).end(body),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    fathom = await createDeployment({ FATHOM_APPS: 'documents,work-items', CORS_ORIGINS: origin });
    await fathom.start();
  });

  afterAll(async () => {
    server?.close();
    await fathom?.dispose();
  });

  it('runs the example', async () => {
    const { all } = await execa(process.execPath, ['--disable-warning=ExperimentalWarning', 'app.ts'], {
      cwd: directory,
      env: { FATHOM_URL: fathom.url },
      all: true,
      reject: false,
    });
    const [hello, ...lines] = all.split('\n');
    expect(hello).toMatch(/^hello from \d{4}-\d\d-\d\d-001-jane$/);
    expect(lines).toEqual([
      'todo: Write the page',
      'request.invalid: status move_not_allowed',
      '1 database: running',
      'stream: closed',
    ]);
  });

  it.skipIf(!hasChromium)('works in a browser from another origin', async () => {
    const browser = await launchChromium();
    try {
      const page = await browser.newPage();
      await page.goto(origin);
      // A text, because the tests are compiled without the types of browsers.
      expect(await page.evaluate<unknown>(`(${IN_BROWSER})('${fathom.url}')`)).toEqual({
        version: 1,
        phases: ['running', 'running'],
        refused: 'auth.required',
        links: ['live', 'stale', 'stale', 'refused', 'closed'],
        sessions: [true, false],
        retry: 'request.invalid title',
      });
    } finally {
      await browser.close();
    }
  });
});

const IN_BROWSER = `async (url) => {
  const { createFathomClient } = await import('/client.js');
  const sessions = [];
  const client = createFathomClient({ url: url + '/', onSession: (session) => sessions.push(session !== null) });
  const session = await client.signUp({ email: 'browser@example.com', password: 'three-lucky-otters' });
  const project = await client.work.createProject({ title: 'In a browser' });
  const failed = await client.work.createProject({ title: '' }).catch((error) => error);
  const phases = [];
  const links = [];
  let ended;
  const refused = new Promise((resolve) => { ended = resolve; });
  const stream = client.openStream({
    topics: ['instances'],
    onLink(link) {
      links.push(link.kind);
      if (link.kind === 'refused') ended();
    },
    onSnapshot(frame) {
      phases.push(frame.data[0].phase);
      if (phases.length === 2) return client.signOut();
      stream.unsubscribe('instances');
      stream.subscribe('instances');
    },
    onEvent() {},
  });
  await refused;
  stream.close();
  const error = await client.work.listProjects().catch((thrown) => thrown);
  return {
    version: project.version, phases, refused: error.code, links, sessions,
    retry: failed.code + ' ' + failed.fields.map(({ path }) => path).join(),
  };
}`;
