import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, it } from 'vitest';
import { KeeperClient } from '../../daemon/pocketbase/process/keeper/keeper-client.ts';
import { bestSandbox, type HostSupport } from '../../daemon/pocketbase/sandbox/level.ts';
import { SANDBOX_LEVELS, type SandboxLevel } from '../../shared/sandbox.ts';
import { asAccount, OTHER_ACCOUNT, otherAccountProblem } from '../helpers/other-account.ts';

// A program takes PocketBase's place and tries what a compromised PocketBase would try.

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'sandbox');

/** Each attack, by the lowest level at which it fails. */
const ATTACKS = {
  syscalls: [
    'change-mode',
    'change-owner',
    'change-times',
    'change-attributes',
    'read-memory',
    'trace',
    'steal-descriptor',
    'change-limits',
    'change-processors',
    'change-priority',
    'signal',
    'signal-thread',
    'signal-by-descriptor',
    'connect-socket',
    'connect-abstract-socket',
    'send-datagram',
    'listen-multipath',
    'open-netlink',
    'create-namespace',
    'clone-namespace',
    'shared-memory',
    'other-interface',
    'new-session',
  ],
  files: [
    'read-database',
    'write-database',
    'list-databases',
    'link-database',
    'move-file',
    'truncate-file',
    'truncate-by-open',
    'read-secrets',
    'read-etc',
    'list-etc',
    'change-migrations',
    'plant-link',
    'execute',
    'read-memory-file',
    'read-environment',
    'list-processes',
  ],
  full: ['listen-elsewhere', 'listen-anywhere'],
} as const;

/** What PocketBase itself needs. */
const ALLOWED = [
  'read-own',
  'write-own',
  'write-temporary',
  'read-migrations',
  'read-hosts',
  'write-null',
  'signal-self',
  'listen-own',
  'connect-port',
  'make-child',
];

/** Attacks that a host may refuse without a sandbox. */
const REFUSED_BY_SOME_HOSTS: ReadonlySet<string> = new Set([
  'change-attributes',
  'send-datagram',
  'listen-multipath',
  'create-namespace',
  'clone-namespace',
  'trace',
  'other-interface',
]);

const ORDER = ['syscalls', 'files', 'full'] as const;

let directory: string;
let support: HostSupport;
let attacker: string | null;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fathom-sandbox-'));
  await chmod(directory, 0o755);
  attacker = compile(join(directory, 'attacker'));
  const keeper = new KeeperClient();
  support = await keeper.support();
  keeper.close();
  return () => rm(directory, { recursive: true, force: true });
});

/** Null without a C compiler. */
function compile(program: string): string | null {
  try {
    execFileSync('cc', ['-static', '-O1', '-o', program, join(FIXTURES, 'attacker.c')], { stdio: 'pipe' });
    return program;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

interface Attempt {
  level: SandboxLevel;
  exit: { code: number | null; signal: string | null };
  results: Record<string, string>;
}

/** Runs all attacks at a level, as the user of this test or as another one. */
async function attack(
  level: (typeof ORDER)[number] | 'off',
  uid: number | null,
  connections = 'unlimited',
): Promise<Attempt> {
  const own = await mkdtemp(join(directory, `${level}-`));
  if (uid !== null) await chown(own, uid, uid);
  const [command, ...args] = [
    ...(uid === null ? [] : asAccount(uid)),
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    join(FIXTURES, 'run-attacks.ts'),
    attacker ?? '',
    level,
    own,
    connections,
  ];
  return JSON.parse((await execa(command, args)).stdout) as Attempt;
}

const isRoot = process.getuid?.() === 0;
const problem = otherAccountProblem();
if (problem !== null)
  console.log(`SKIPPED test/security/sandbox.test.ts, as an unprivileged user: ${problem}`);
const users: [string, number | null][] = [
  [isRoot ? 'as root' : 'as this user', null],
  ...(problem === null ? [['as an unprivileged user', OTHER_ACCOUNT] as [string, number]] : []),
];

describe.each(users)('a compromised PocketBase %s', (_name, uid) => {
  it('is stopped by nothing without a sandbox', async ({ skip }) => {
    if (attacker === null) skip('needs a C compiler');
    const { level, exit, results } = await attack('off', uid);
    expect({ level, exit }).toEqual({ level: 'none', exit: { code: 0, signal: null } });
    const refused = Object.keys(results).filter((name) => results[name] !== 'done');
    expect(refused.filter((name) => !REFUSED_BY_SOME_HOSTS.has(name))).toEqual([]);
    expect(Object.keys(results).toSorted()).toEqual(
      [...Object.values(ATTACKS).flat(), ...ALLOWED].toSorted(),
    );
  });

  it.for(ORDER)('at the level %s fails', async (wanted, { skip }) => {
    const best = bestSandbox(support, 'program');
    if (SANDBOX_LEVELS.indexOf(best.level) > SANDBOX_LEVELS.indexOf(wanted)) {
      skip(`this host offers ${best.level}: ${best.reason}`);
    }
    if (attacker === null) skip('needs a C compiler');
    const { level, exit, results } = await attack(wanted, uid);
    expect({ level, exit }).toEqual({ level: wanted, exit: { code: 0, signal: null } });
    const fails = ORDER.slice(0, ORDER.indexOf(wanted) + 1).flatMap((each) => ATTACKS[each]);
    expect(fails.filter((name) => results[name] === 'done')).toEqual([]);
    expect(ALLOWED.filter((name) => results[name] !== 'done')).toEqual([]);
  });

  it("in a developer's database does not reach services of the host", async ({ skip }) => {
    const best = bestSandbox(support, 'program');
    if (best.level !== 'full') skip(`this host offers ${best.level}: ${best.reason}`);
    if (attacker === null) skip('needs a C compiler');
    const { results } = await attack('full', uid, 'limited');
    expect(ALLOWED.filter((name) => results[name] !== 'done')).toEqual(['connect-port']);
  });
});
