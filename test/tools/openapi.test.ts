import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sharedDeployment } from '../helpers/harness.ts';
import { PASSWORD } from '../helpers/http-call.ts';

const ROOT = join(import.meta.dirname, '../..');
const PACKAGES = join(import.meta.dirname, 'openapi', 'node_modules');
const INSTALLED = existsSync(PACKAGES);

/** A program of an application developer. The two lines that expect an error prove that the types say something. */
const PROGRAM = `
import createClient from 'openapi-fetch';
import type { paths } from './api.d.ts';

const [baseUrl = '', password = ''] = process.argv.slice(2);
const api = createClient<paths>({ baseUrl });
const email = 'generated@example.com';

const signUp = await api.POST('/api/v1/auth/register', { body: { email, password, name: 'Generated' } });
if (signUp.error) throw new Error(signUp.error.detail);

// @ts-expect-error a password is needed
await api.POST('/api/v1/auth/login', { body: { email } });
// @ts-expect-error there is no such path
await api.GET('/api/v1/nothing');

const refused = await api.POST('/api/v1/auth/login', { body: { email, password: 'wrong' } });
const signIn = await api.POST('/api/v1/auth/login', { body: { email, password } });
if (signIn.error) throw new Error(signIn.error.detail);
const { token, user, database } = signIn.data;

api.use({ onRequest: ({ request }) => request.headers.set('authorization', \`Bearer \${token}\`) });
const list = await api.GET('/api/v1/databases', { params: { query: { per_page: 5, sort: '-name' } } });
const name = list.data?.items[0]?.name ?? '';
const shown = await api.GET('/api/v1/databases/{name}', { params: { path: { name } } });
const restarted = await api.POST('/api/v1/databases/{name}/restart', { params: { path: { name } } });
const users = await api.GET('/api/v1/users');
const ended = await api.POST('/api/v1/auth/logout');

console.log(JSON.stringify({
  refused: refused.error?.code,
  user: user.email,
  database: database?.name,
  listed: name,
  phase: shown.data?.phase,
  restarted: restarted.data?.phase,
  users: users.error?.code,
  ended: ended.response.status,
}));
`;

describe.skipIf(!INSTALLED)('the OpenAPI document, as programs of others read it', () => {
  const shared = sharedDeployment();
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'fathom-openapi-'));
    await symlink(PACKAGES, join(directory, 'node_modules'));
    const document = await fetch(`${shared.fathom.url}/openapi.json`);
    await writeFile(join(directory, 'openapi.json'), await document.text());
    await writeFile(join(directory, 'redocly.yaml'), 'extends: [recommended]\ntelemetry: off\n');
    await writeFile(join(directory, 'spectral.yaml'), 'extends: ["spectral:oas"]\n');
  });

  afterAll(() => rm(directory, { recursive: true, force: true }));

  /** @throws Error with all that it printed, when it fails */
  const run = async (program: string, ...args: string[]) => {
    const { stdout } = await execa(join(PACKAGES, '.bin', program), args, {
      cwd: directory,
      env: { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
    });
    return stdout;
  };

  it('passes the recommended rules of Redocly without a finding', async () => {
    const report = JSON.parse(await run('redocly', 'lint', 'openapi.json', '--format=json')) as {
      totals: { errors: number; warnings: number; ignored: number };
      problems: { ruleId: string; message: string }[];
    };
    expect(report.problems.map(({ ruleId, message }) => `${ruleId}: ${message}`)).toEqual([]);
    expect(report.totals).toEqual({ errors: 0, warnings: 0, ignored: 0 });
  });

  it('passes the rules of Spectral for OpenAPI without a finding', async () => {
    const args = [
      'lint',
      'openapi.json',
      '--ruleset=spectral.yaml',
      '--fail-severity=hint',
      '--format=json',
      '--quiet',
    ];
    expect(JSON.parse(await run('spectral', ...args))).toEqual([]);
  });

  it('gives a client whose types hold, and which signs up, in and out', async () => {
    const { fathom } = shared;
    await run('openapi-typescript', 'openapi.json', '--output=api.d.ts');
    await writeFile(join(directory, 'program.ts'), PROGRAM);
    await writeFile(join(directory, 'package.json'), '{"type": "module"}');
    const options = ['--noEmit', '--strict', '--allowImportingTsExtensions', '--module', 'nodenext'];
    const types = join(ROOT, 'node_modules/@types');
    await run('tsc', ...options, '--target', 'es2024', '--typeRoots', types, '--types', 'node', 'program.ts');
    const program = [join(directory, 'program.ts'), fathom.url, PASSWORD];
    const { stdout } = await execa(process.execPath, ['--disable-warning=ExperimentalWarning', ...program]);
    const name = expect.stringMatching(/-generated$/) as string;
    expect(JSON.parse(stdout)).toEqual({
      refused: 'auth.failed',
      user: 'generated@example.com',
      database: name,
      listed: name,
      phase: 'running',
      restarted: 'running',
      users: 'auth.forbidden',
      ended: 204,
    });
  });

  it('fits the program of docs/clients.md', async () => {
    const page = await readFile(join(ROOT, 'docs/clients.md'), 'utf8');
    const blocks = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, block]) => block);
    expect(blocks).toHaveLength(3);
    await writeFile(join(directory, 'documented.ts'), blocks.join('\n'));
    await writeFile(join(directory, 'package.json'), '{"type": "module"}');
    const compilerOptions = {
      noEmit: true,
      strict: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      module: 'nodenext',
      target: 'es2024',
      types: [],
      paths: {
        'fathom-client': [join(ROOT, 'dist/client/index.d.ts')],
        pocketbase: [join(ROOT, 'node_modules/pocketbase/dist/pocketbase.es.d.mts')],
      },
    };
    const project = { compilerOptions, files: ['documented.ts'] };
    await writeFile(join(directory, 'tsconfig.json'), JSON.stringify(project));
    await run('tsc', '--project', directory);
  });
});

if (!INSTALLED)
  console.log("openapi.test.ts skips: 'npm ci --prefix test/tools/openapi' installs what it needs");
