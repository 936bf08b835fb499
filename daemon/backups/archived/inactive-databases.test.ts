import pino from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import type { Mail } from '../../accounts/mail/mailer.ts';
import type { CatalogEntry } from '../../databases/catalog.ts';
import type { Inactivity } from '../../usage/inactivity-table.ts';
import { InactiveDatabases, type InactiveDatabasesDeps } from './inactive-databases.ts';
import { DAY_MS } from './inactivity-rule.ts';

const HOUR_MS = 3_600_000;

/** Its time of day can be set. */
class SetTime extends ManualTime {
  #setMs = 0;

  override now(): Date {
    return new Date(super.now().getTime() + this.#setMs);
  }

  set(byMs: number): void {
    this.#setMs += byMs;
  }
}

class Stage {
  readonly clock = new SetTime();
  readonly mails: Mail[] = [];
  readonly archived: string[] = [];
  readonly stored = new Map<string, Inactivity>();
  readonly lastUses = new Map<string, number>();
  entries: CatalogEntry[] = [];
  days = 30;
  canMail = true;
  holdsSockets = true;
  isWritable = true;
  mailError: Error | null = null;
  archiveError: Error | null = null;
  readonly inactive: InactiveDatabases;

  constructor() {
    const find = (name: string) => this.entries.find(({ row }) => row.name === name) ?? null;
    const settings = () => this.days;
    // Only what the service uses of them.
    const deps = {
      catalog: {
        entries: () => this.entries,
        find,
        archived: { find: (name: string) => this.archived.includes(name) || null, all: () => this.archived },
      },
      history: {
        readInactivity: () =>
          Promise.resolve({ lastUses: new Map(this.lastUses), stored: new Map(this.stored) }),
        writeInactivity: (changes: Iterable<readonly [string, Inactivity | null]>) => {
          if (!this.isWritable) return false;
          for (const [name, one] of changes)
            if (one === null) this.stored.delete(name);
            else this.stored.set(name, one);
          return true;
        },
      },
      archives: {
        archive: (name: string) => {
          if (this.archiveError) return Promise.reject(this.archiveError);
          this.archived.push(name);
          return Promise.resolve({ backup: 'a-backup' });
        },
      },
      backups: { stateOf: () => ({ failure: null }) },
      isRestoring: () => false,
      holdsSockets: () => Promise.resolve(this.holdsSockets),
      users: {
        find: (id: string) => Promise.resolve({ email: `${id}@example.com`, is_active: id !== 'locked' }),
      },
      mails: {
        isConfigured: () => Promise.resolve(this.canMail),
        sendMessage: (mail: Mail) => {
          if (this.mailError) return Promise.reject(this.mailError);
          this.mails.push(mail);
          return Promise.resolve();
        },
      },
      settings: {
        get inactiveDays() {
          return settings();
        },
        mail: null,
        siteUrl: null,
        webPage: false,
      },
      audit: { recordDaemonAction: () => Promise.resolve() },
      clock: this.clock,
      log: pino({ level: 'silent' }),
    } as unknown as InactiveDatabasesDeps;
    this.inactive = new InactiveDatabases(deps);
    this.inactive.start(HOUR_MS);
    onTestFinished(() => this.inactive.stop());
  }

  /** A database that was used now, and sleeps. */
  add(name: string, { user = name, isAwake = false, hasJobs = false } = {}): void {
    const runner = {
      spec: { staysAwake: () => isAwake, hasOwnJobs: () => hasJobs },
      state: { phase: 'asleep' },
      use: null,
      maintenance: null,
      idleMs: () => null,
    };
    const row = { name, user, state: 'ready', desired: 'running' };
    this.entries.push({ row, runner, rollout: null } as unknown as CatalogEntry);
    this.lastUses.set(name, this.clock.now().getTime());
  }

  pass(days: number): Promise<void> {
    return this.clock.advance(days * DAY_MS);
  }

  /** For looks that take several turns of the event loop. */
  async passInSteps(days: number): Promise<void> {
    for (let passed = 0; passed < days; passed += 0.02) await this.pass(0.02);
  }
}

async function stageWith(...names: string[]): Promise<Stage> {
  const stage = new Stage();
  for (const name of names) stage.add(name);
  await stage.pass(0.5);
  return stage;
}

it('archives after a mail a week and a mail a day before', async () => {
  const stage = await stageWith('ann');
  await stage.pass(22.4);
  expect(stage.mails).toEqual([]);
  await stage.pass(0.2);
  expect(stage.mails.map(({ to }) => to)).toEqual([['ann@example.com']]);
  expect(stage.inactive.status()).toMatchObject({ noticed: 1, archived: 0, blocked: 0, problem: null });
  await stage.pass(6);
  expect(stage.mails).toHaveLength(2);
  expect(stage.archived).toEqual([]);
  await stage.pass(1.1);
  expect(stage.archived).toEqual(['ann']);
  expect(stage.inactive.status()).toMatchObject({ noticed: 0, archived: 1 });
  await stage.pass(100);
  expect([stage.archived, stage.mails.length]).toEqual([['ann'], 2]);
});

it('a clock that is set forward archives nothing before its time, and sends no mail', async () => {
  const stage = await stageWith('ann');
  stage.clock.set(200 * DAY_MS);
  await stage.pass(22.3);
  expect(stage.mails).toEqual([]);
  await stage.pass(0.3);
  expect(stage.mails).toHaveLength(1);
  stage.clock.set(8 * DAY_MS);
  await stage.pass(0.2);
  stage.clock.set(2 * DAY_MS);
  await stage.pass(0.2);
  expect([stage.mails.length, stage.archived]).toEqual([1, []]);
  await stage.pass(5.7);
  expect([stage.mails.length, stage.archived]).toEqual([2, []]);
  stage.clock.set(DAY_MS);
  await stage.pass(0.8);
  expect(stage.archived).toEqual([]);
  await stage.pass(0.4);
  expect(stage.archived).toEqual(['ann']);
});

it('a clock that is set back and corrected sends no second mail, and archives on the day of the notice', async () => {
  const stage = await stageWith('ann');
  await stage.pass(23);
  expect(stage.mails).toHaveLength(1);
  stage.clock.set(-400 * DAY_MS);
  await stage.pass(1);
  stage.clock.set(400 * DAY_MS);
  await stage.pass(4);
  expect(stage.mails).toHaveLength(1);
  await stage.pass(1.2);
  expect([stage.mails.length, stage.archived]).toEqual([2, []]);
  await stage.pass(1.2);
  expect(stage.archived).toEqual(['ann']);
});

it('a use between the notices and the archiving keeps it', async () => {
  const stage = await stageWith('ann');
  await stage.pass(29.2);
  expect(stage.mails).toHaveLength(2);
  stage.lastUses.set('ann', stage.clock.now().getTime());
  expect(stage.inactive.archiveAt('ann', stage.clock.now().getTime())).toBeNull();
  await stage.pass(20);
  expect([stage.mails.length, stage.archived]).toEqual([2, []]);
});

it('leaves out databases that stay awake or have jobs, and locked accounts', async () => {
  const stage = await stageWith();
  stage.add('awake', { isAwake: true });
  stage.add('jobs', { hasJobs: true });
  stage.add('locked');
  await stage.pass(100);
  expect([stage.mails, stage.archived]).toEqual([[], []]);
  expect(stage.inactive.status()).toMatchObject({ blocked: 0, problem: null });
});

it('archives nothing without a mail server or held sockets, and names what to do', async () => {
  const stage = await stageWith('ann');
  stage.canMail = false;
  await stage.pass(60);
  expect(stage.inactive.status()).toMatchObject({
    blocked: 1,
    problem: { remedy: expect.stringContaining('SMTP_HOST') as string },
  });
  stage.holdsSockets = false;
  await stage.pass(1);
  expect(stage.inactive.status().problem?.message).toContain('does not hold sockets');
  [stage.canMail, stage.holdsSockets] = [true, true];
  await stage.pass(6);
  expect([stage.mails.length, stage.archived]).toEqual([1, []]);
  await stage.pass(2.2);
  expect([stage.mails.length, stage.archived]).toEqual([2, ['ann']]);
});

it('a mail that is not sent delays the archiving, and is tried again in a day', async () => {
  const stage = await stageWith('ann', 'ben');
  stage.mailError = new Error('421 try again later');
  await stage.pass(40);
  expect(stage.inactive.status()).toMatchObject({
    noticed: 0,
    blocked: 2,
    problem: { message: expect.stringContaining('421') as string },
  });
  stage.mailError = null;
  await stage.pass(1.1);
  expect(stage.inactive.status()).toMatchObject({ noticed: 2, blocked: 0, problem: null });
  await stage.pass(5);
  expect(stage.archived).toEqual([]);
  await stage.pass(3);
  expect(stage.archived.toSorted()).toEqual(['ann', 'ben']);
});

it('sends no mail that it could not store, and continues when the history can be written', async () => {
  const stage = await stageWith('ann');
  stage.isWritable = false;
  await stage.pass(40);
  expect([stage.mails, stage.archived]).toEqual([[], []]);
  stage.isWritable = true;
  await stage.pass(0.1);
  expect(stage.mails).toHaveLength(1);
});

it('names a database that cannot be archived, and tries it again in a day', async () => {
  const stage = await stageWith('ann');
  stage.archiveError = new Error('the disk is on fire');
  await stage.pass(31);
  expect(stage.inactive.status()).toMatchObject({
    blocked: 1,
    problem: { message: expect.stringContaining('on fire') as string },
  });
  stage.archiveError = null;
  await stage.pass(1.1);
  expect(stage.archived).toEqual(['ann']);
  expect(stage.inactive.status()).toMatchObject({ blocked: 0, problem: null });
});

it('begins again after it was switched off', async () => {
  const stage = await stageWith('ann');
  await stage.pass(25);
  expect(stage.mails).toHaveLength(1);
  stage.days = 0;
  await stage.pass(1);
  expect(stage.stored.size).toBe(0);
  stage.days = 30;
  await stage.pass(6.5);
  expect([stage.mails.length, stage.archived]).toEqual([3, []]);
});

it('works through many databases without waiting an hour between them', async () => {
  const names = Array.from({ length: 120 }, (_, index) => `db-${index}`);
  const stage = await stageWith(...names);
  await stage.pass(22.3);
  await stage.passInSteps(0.3);
  expect(stage.mails).toHaveLength(120);
  await stage.passInSteps(7.5);
  expect(stage.archived).toHaveLength(120);
});
