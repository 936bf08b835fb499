import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustBe, mustMatch, type Report } from './report.ts';
import type { Stage } from './stage.ts';

const PAGE = join(import.meta.dirname, '..', '..', 'docs', 'backups.md');
const API = 'https://api.example.com/api/v1/auth';

interface Session {
  database: { name: string; url: string; token: string };
}

/** The commands of docs/backups.md, word for word and in their order. */
async function commandsOfDocs(): Promise<{
  backUpAll: string;
  restoreAll: string;
  backUpOne: string;
  restoreOne: string;
}> {
  const [, page = ''] = (await readFile(PAGE, 'utf8')).split('\n## By hand\n');
  const blocks = [...page.matchAll(/```sh\n([^]*?)```/g)].map(([, commands]) => commands ?? '');
  const [backUpAll, restoreAll, backUpOne, restoreOne] = blocks;
  if (!backUpAll || !restoreAll || !backUpOne || !restoreOne || blocks.length !== 4) {
    throw new Error(`docs/backups.md has ${blocks.length} blocks of commands, not 4`);
  }
  return { backUpAll, restoreAll, backUpOne, restoreOne };
}

/** Expects the service to be stopped, and leaves it so. */
export async function checkBackup(stage: Stage, report: Report): Promise<void> {
  const { container } = stage;
  const commands = await commandsOfDocs();
  const session = async (verb: 'login' | 'register', email: string): Promise<Session> => {
    const { status, body } = await stage.call('POST', `${API}/${verb}`, {
      email,
      password: 'correct-horse-battery',
    });
    mustBe(status, verb === 'login' ? 200 : 201, `the status of ${verb} as ${email}`);
    return JSON.parse(body) as Session;
  };
  const write = async ({ database }: Session, title: string) =>
    stage.call('POST', `${database.url}/api/collections/documents/records`, { title }, database.token);
  const titles = async ({ database }: Session): Promise<string[]> => {
    const url = `${database.url}/api/collections/documents/records?filter=(title~'kept')||(title~'lost')`;
    const { body } = await stage.call('GET', url, null, database.token);
    return (JSON.parse(body) as { items: { title: string }[] }).items.map(({ title }) => title);
  };

  await report.check('a user database is backed up and put back as the documentation says', async () => {
    await stage.systemctl('start', 'fathomd');
    const saved = await session('register', 'saved@example.com');
    const { name } = saved.database;
    await write(saved, 'kept');
    await container.shell(commands.backUpOne.replaceAll('NAME', name));
    await write(await session('login', 'saved@example.com'), 'lost');
    await container.shell(commands.restoreOne.replaceAll('NAME', name));
    mustBe(await titles(await session('login', 'saved@example.com')), ['kept'], 'the records');
    return `${name} is as it was`;
  });
  await report.check('the control plane is backed up and put back as the documentation says', async () => {
    await container.shell(commands.backUpAll);
    const { database } = await session('register', 'later@example.com');
    await container.shell('rm -rf /etc/fathom');
    await container.shell(commands.restoreAll);
    mustBe(await titles(await session('login', 'saved@example.com')), ['kept'], 'the records');
    const list = await container.run('fathomd', ['databases', 'list']);
    mustBe(list.includes(database.name), false, 'whether what was made later is listed');
    const found = await container.doctorTroubles();
    mustMatch(found.join(), /\bwithout_row\b/, 'the findings of the doctor');

    // The next user is given the same name, and never the files that are there.
    const next = { email: 'later@elsewhere.example.com', password: 'correct-horse-battery' };
    const refused = await stage.call('POST', `${API}/register`, next);
    mustBe(refused.status, 502, 'the status of a sign-up in its place');
    mustMatch(refused.body, /"code":"provision.failed"/, 'the code');
    const { request_id: request } = JSON.parse(refused.body) as { request_id: string };
    const cause = await container.shell(`journalctl -u fathomd -o cat | grep -F ${request}`);
    mustMatch(cause, new RegExp(database.name), 'what the administrator finds in the journal');
    await container.shell(`mv /var/lib/fathom/user_dbs/${database.name} /root/`);
    const given = await session('login', next.email);
    mustBe([given.database.name, await titles(given)], [database.name, []], 'the next database');
    await stage.systemctl('stop', 'fathomd');
    return `${database.name}, made later, is on disk without a row`;
  });
}
