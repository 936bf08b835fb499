import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Daemon, type Deployment, SCRIPTED } from '../helpers/deployment.ts';
import { doctorFindings } from '../helpers/doctor-findings.ts';
import { addDocument, readAsOwner } from '../helpers/documents.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { signUp, type Tenant, untilInstance } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { countedNames, INACTIVE, passDays } from '../helpers/inactivity.ts';
import { type MailServer, mailServer } from '../helpers/mail-server.ts';
import { readMetric } from '../helpers/metrics.ts';
import { until } from '../helpers/until.ts';

const KEPT = [['kept', 'file of kept']];
let server: MailServer;

beforeAll(async () => {
  server = await mailServer();
});

afterAll(() => server.close());

const start = (fathom: Deployment, settings: Record<string, string> = {}): Promise<Daemon> =>
  fathom.start({ ...INACTIVE, ...server.settings, ...settings }, SCRIPTED);

const archiveAt = async (fathom: Deployment, { name }: Tenant) =>
  (await fathom.client.usage.get(name)).archive_at;

const untilStatus = (
  fathom: Deployment,
  expected: Partial<Awaited<ReturnType<typeof fathom.client.daemon.status>>['inactive']>,
) =>
  until(
    async () => {
      const { inactive } = await fathom.client.daemon.status();
      return Object.entries(expected).every(([key, value]) => inactive[key as 'noticed'] === value)
        ? inactive
        : null;
    },
    {
      what: async () =>
        `${JSON.stringify(expected)}; it is ${JSON.stringify((await fathom.client.daemon.status()).inactive)}`,
    },
  );

const isArchived = (fathom: Deployment, { name }: Tenant) =>
  !existsSync(join(fathom.dataDir, 'user_dbs', name, 'pb_data'));

const untilAsleep = (fathom: Deployment, { name }: Tenant) =>
  untilInstance(fathom, name, ({ phase }) => phase === 'asleep', 'to sleep');

const untilArchived = (fathom: Deployment, { name }: Tenant) =>
  untilInstance(
    fathom,
    name,
    ({ phase, reason }) => phase === 'asleep' && reason?.code === 'archived',
    'to be archived',
  );

/** A database whose only use was at its sign-up, and that sleeps. */
async function sleepingTenant(fathom: Deployment, label: string): Promise<Tenant> {
  const tenant = await signUp(fathom, label);
  await addDocument(fathom, tenant, 'kept');
  await untilAsleep(fathom, tenant);
  await until(() => countedNames(fathom).includes(tenant.name), { what: `${tenant.name} to be counted` });
  return tenant;
}

async function use(fathom: Deployment, { name, ownerToken }: Tenant): Promise<number> {
  const { url } = await fathom.client.databases.get(name);
  const headers = { authorization: ownerToken };
  return (await fetch(`${url}/api/collections/documents/records`, { headers })).status;
}

it('archives a database after two mails to its owner, and its next request brings it back', async () => {
  const fathom = await deployment();
  await start(fathom);
  const tenant = await sleepingTenant(fathom, 'ann');
  passDays(fathom, 82);
  expect(await archiveAt(fathom, tenant)).toBeNull();
  passDays(fathom, 1.01);
  const first = await server.mailTo(tenant.email);
  expect(first.subject).toMatch(/^Your database at Example Cloud will be archived on \d{4}-\d\d-\d\d$/);
  expect(first.text).toContain(tenant.name);
  expect(first.html).toContain('https://fathom.example.com');
  await untilStatus(fathom, { noticed: 1, archived: 0, problem: null });
  const at = await archiveAt(fathom, tenant);
  expect(at?.slice(0, 10)).toBe(/\d{4}-\d\d-\d\d$/.exec(first.subject ?? '')?.[0]);

  // Used again: the notice is void.
  expect(await use(fathom, tenant)).toBe(200);
  expect(await archiveAt(fathom, tenant)).toBeNull();
  await untilStatus(fathom, { noticed: 0 });
  await untilAsleep(fathom, tenant);
  passDays(fathom, 8);
  await untilStatus(fathom, { noticed: 0, blocked: 0 });
  expect(isArchived(fathom, tenant)).toBe(false);

  // Not used: two mails, and then it is archived.
  passDays(fathom, 75.1);
  await server.mailTo(tenant.email);
  await untilStatus(fathom, { noticed: 1 });
  passDays(fathom, 6);
  const last = await server.mailTo(tenant.email);
  expect(last.subject).toMatch(/archived on/);
  await untilStatus(fathom, { noticed: 1 });
  expect(isArchived(fathom, tenant)).toBe(false);
  passDays(fathom, 1.01);
  await untilArchived(fathom, tenant);
  await untilStatus(fathom, { noticed: 0, archived: 1, problem: null });
  expect(await readMetric(fathom, 'fathom_databases_archived')).toBe('1');
  expect(await archiveAt(fathom, tenant)).toBeNull();
  const { items } = await fathom.client.audit.list({ target: tenant.name });
  expect(items.filter(({ action }) => action === 'database.archive-notice')).toHaveLength(3);
  expect(items.find(({ action }) => action === 'database.archive')).toMatchObject({
    actor_kind: 'local',
    outcome: 'ok',
    detail: expect.stringContaining('"cause":"inactive"') as string,
  });

  expect(await use(fathom, tenant)).toBe(200);
  expect(await readAsOwner(fathom, tenant)).toEqual(KEPT);
  await untilStatus(fathom, { noticed: 0, archived: 0, blocked: 0 });
  expect(server.mails.filter(({ recipients }) => recipients.includes(tenant.email))).toHaveLength(3);
});

it('names the missing mail server, archives nothing without one, and continues with one', async () => {
  const fathom = await deployment();
  const daemon = await start(fathom, { SMTP_HOST: '', SMTP_USER: '', SMTP_PASSWORD: '', MAIL_FROM: '' });
  const tenant = await sleepingTenant(fathom, 'ben');
  passDays(fathom, 400);
  const { problem } = await untilStatus(fathom, { blocked: 1 });
  expect(problem?.remedy).toContain('SMTP_HOST');
  expect(await doctorFindings(fathom)).toContainEqual(
    expect.objectContaining({ id: 'inactive', level: 'warning' }),
  );
  const check = await fathomd(['status', '--check', '--socket', fathom.socketPath], {});
  expect([check.exitCode, check.stderr]).toEqual([1, expect.stringContaining('no mail server')]);
  expect(isArchived(fathom, tenant)).toBe(false);

  await daemon.stop();
  await start(fathom);
  await server.mailTo(tenant.email);
  await untilStatus(fathom, { blocked: 0, noticed: 1, problem: null });
  expect(isArchived(fathom, tenant)).toBe(false);
});

it('begins again after it was switched off, and keeps notices over SIGKILL', async () => {
  const fathom = await deployment();
  let daemon = await start(fathom);
  const tenant = await sleepingTenant(fathom, 'cid');
  passDays(fathom, 84);
  await server.mailTo(tenant.email);
  await untilStatus(fathom, { noticed: 1 });
  daemon.signal('SIGKILL');
  await daemon.exited;
  daemon = await start(fathom);
  await untilStatus(fathom, { noticed: 1 });
  expect(server.mails.filter(({ recipients }) => recipients.includes(tenant.email))).toHaveLength(1);

  await daemon.stop();
  daemon = await start(fathom, { DATABASE_INACTIVE_DAYS: '0' });
  await until(() => countedNames(fathom).length === 0, { what: 'nothing to be counted' });
  await daemon.stop();
  await start(fathom);
  await until(() => countedNames(fathom).includes(tenant.name), { what: 'it to be counted' });
  // Its last use is known, so the owner gets another notice, and it is not archived before.
  await server.mailTo(tenant.email);
  await untilStatus(fathom, { noticed: 1 });
  expect(isArchived(fathom, tenant)).toBe(false);
});

it('leaves a database as it is while its backup cannot be stored, and names the reason', async () => {
  const fathom = await deployment();
  let daemon = await start(fathom);
  const [tenant, awake] = [await sleepingTenant(fathom, 'dan'), await sleepingTenant(fathom, 'eve')];
  await fathom.client.databases.update(awake.name, { sleep_after: 0 });
  await fathom.client.backups.create(tenant.name);
  passDays(fathom, 84);
  await server.mailTo(tenant.email);
  await untilStatus(fathom, { noticed: 1 });
  passDays(fathom, 6);
  await server.mailTo(tenant.email);
  await untilStatus(fathom, { noticed: 1 });
  const target = join(fathom.dataDir, 'backups');
  await rename(target, `${target}-away`);
  passDays(fathom, 2);
  const { problem } = await untilStatus(fathom, { blocked: 1 });
  expect(problem?.message).toContain(tenant.name);
  expect(isArchived(fathom, tenant)).toBe(false);

  await rename(`${target}-away`, target);
  await daemon.stop();
  daemon = await start(fathom);
  await fathom.client.backups.create(tenant.name);
  await untilArchived(fathom, tenant);
  expect(await use(fathom, tenant)).toBe(200);
  expect(await readAsOwner(fathom, tenant)).toEqual(KEPT);
  // An administrator lets this one stay awake.
  expect(isArchived(fathom, awake)).toBe(false);
  expect(server.mails.filter(({ recipients }) => recipients.includes(awake.email))).toEqual([]);
});
