import { randomInt } from 'node:crypto';
import { setTimeout as after } from 'node:timers/promises';
import PocketBase from 'pocketbase';
import { describe, expect, it } from 'vitest';
import { type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import { expectWholeFleet } from '../helpers/fleet-state.ts';
import { deployment } from '../helpers/harness.ts';
import { call, PASSWORD, type Session, signUp } from '../helpers/http-call.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import { ERROR, logLines } from '../helpers/log-lines.ts';
import { until } from '../helpers/until.ts';

const STEPS = ['reserved', 'cloned', 'running', 'ready'] as const;
/** One for each number of answers before the kill. */
const ROUNDS = 5;
const BURST = ROUNDS;
/** Who sign up while the global PocketBase is killed, and how often each at most. */
const CLIENTS = ['ann', 'bob', 'cid', 'dee'];
const TRIES = 10;
/** About as long as one step of the burst takes. */
const JITTER_MS = 150;
/** Of the random moments; printed, and set again with CRASH_SEED. */
const SEED = Number(process.env['CRASH_SEED'] ?? randomInt(2 ** 32));

/** mulberry32: numbers from 0 to 1 that follow from the seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Addresses whose sign-up was answered with success; the others failed. */
async function attemptSignUps(fathom: Deployment, emails: readonly string[]): Promise<string[]> {
  const outcomes = await Promise.allSettled(emails.map((email) => signUp(fathom.url, email)));
  return emails.filter((_, index) => outcomes[index]?.status === 'fulfilled');
}

describe('a daemon that is killed while it provisions', () => {
  it.each([
    ['run', '0'],
    ['begin asleep', '30'],
  ])(
    'right after each step leaves nothing that the next start does not complete, if databases %s',
    {
      timeout: 180_000,
    },
    async (_how, SLEEP_AFTER) => {
      const fathom = await deployment();
      const acknowledged: string[] = [];
      for (const step of STEPS) {
        const doomed = await fathom.start({ TEST_KILL_AFTER: step, SLEEP_AFTER }, SCRIPTED);
        const email = `${step}@example.com`;
        acknowledged.push(...(await attemptSignUps(fathom, [email])));
        expect(await doomed.exited, doomed.output()).toBeNull();

        // With the processes that it left behind still running.
        const daemon = await fathom.start();
        const rows = await expectWholeFleet(fathom, [email]);
        expect(rows).toHaveLength(STEPS.indexOf(step) + 1);
        expect(await daemon.stop(), daemon.output()).toBe(0);
        expect(await fleetProcesses(fathom.dataDir)).toEqual([]);
      }
      // Only the last step may come after the answer.
      expect(STEPS.slice(0, 3).filter((step) => acknowledged.includes(`${step}@example.com`))).toEqual([]);
    },
  );

  it('at any moment of a burst of sign-ups loses none that was acknowledged', {
    timeout: 180_000,
  }, async () => {
    const fathom = await deployment();
    const acknowledged: string[] = [];
    const random = randomFrom(SEED);
    console.log(`CRASH_SEED=${SEED}`);
    for (let round = 0; round < ROUNDS; round += 1) {
      const daemon = await fathom.start();
      let answered = 0;
      const emails = Array.from({ length: BURST }, (_, index) => `r${round}-u${index}@example.com`);
      const burst = Promise.all(
        emails.map(async (email) => {
          const done = await attemptSignUps(fathom, [email]);
          answered += 1;
          return done;
        }),
      );
      // So many answers, so that each part of the burst has its turn on slow machines too, and then any moment.
      await until(() => answered >= round % BURST, { what: 'answers to the burst' });
      await after(random() * JITTER_MS);
      daemon.signal('SIGKILL');
      acknowledged.push(...(await burst).flat());
    }
    const daemon = await fathom.start();
    expect(acknowledged.length).toBeGreaterThanOrEqual(1 + 2 + 3 + 4);
    const rows = await expectWholeFleet(fathom, acknowledged);
    console.log(`${acknowledged.length} acknowledged, ${rows.length} databases`);
    const notProvisioned = logLines(daemon.output()).filter(({ level, user }) => level === ERROR && user);
    expect(notProvisioned).toEqual([]);
  });
});

describe('a global PocketBase that is killed during sign-ups', () => {
  it('makes clear errors, and leaves nothing half made', { timeout: 120_000 }, async () => {
    const fathom = await deployment();
    await fathom.start();
    const before = await signUp(fathom.url, 'before@example.com');
    const killed = await globalPid(fathom);
    const answers: (Awaited<ReturnType<typeof register>> & { email: string })[] = [];
    const refused = () => answers.filter(({ status }) => status !== 201);
    const first = Promise.withResolvers<void>();
    const back = new AbortController();
    // One after the other each, so that the kill finds the clients at different steps. Those that wait may not notice it.
    const client = async (name: string) => {
      for (let count = 0; count < TRIES && !back.signal.aborted; count += 1) {
        const email = `${name}${count}@example.com`;
        answers.push({ email, ...(await register(fathom, email)) });
        first.resolve();
      }
    };
    const clients = Promise.all(CLIENTS.map(client));
    await first.promise;
    process.kill(killed, 'SIGKILL');
    await until(async () => (await globalPid(fathom).catch(() => killed)) !== killed, {
      what: 'the global PocketBase to be back',
    });
    back.abort();
    await clients;
    for (const { status, body } of refused()) {
      expect({ status, code: body.code }).toEqual({ status: 503, code: 'control_plane.unavailable' });
    }

    // The databases that were there never noticed.
    const owner = new PocketBase(before.database.url);
    owner.authStore.save(before.database.token);
    await expect(owner.collection('documents').create({ title: 'meanwhile' })).resolves.toBeDefined();

    const acknowledged = answers.filter(({ status }) => status === 201).map(({ email }) => email);
    await expectWholeFleet(fathom, ['before@example.com', ...acknowledged]);

    // Who was refused signs up or in now, whichever it is.
    for (const { email } of refused()) {
      await signUp(fathom.url, email).catch((error: unknown) =>
        expect(String(error)).toContain('auth.email_taken'),
      );
    }
    const emails = answers.map(({ email }) => email);
    expect(await expectWholeFleet(fathom, emails)).toHaveLength(emails.length + 1);
  });
});

function register(fathom: Deployment, email: string) {
  return call<Session & { code?: string; detail?: string }>('POST', `${fathom.url}/api/v1/auth/register`, {
    body: { email, password: PASSWORD },
  });
}

async function globalPid(fathom: Deployment): Promise<number> {
  const { phase, pid } = await fathom.client.databases.get('global');
  if (phase !== 'running' || pid === null) throw new Error(`the global PocketBase is ${phase}`);
  return pid;
}
