import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kill, signUp, untilInstance } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { openConsole, untilSignInRefused } from './journey-stage.ts';
import { hasTmux } from './tmux-terminal.ts';

const LIGHT_TITLE = '38;5;24';
const DARK_TITLE = '38;5;80';

describe.skipIf(!hasTmux())('the console between two daemons', () => {
  it('changes from one to the other and back, each with its own rows, theme and sign-in', async () => {
    const [home, away] = await Promise.all([deployment(), deployment()]);
    await Promise.all([home.start(), away.start()]);
    const [here, there] = await Promise.all([signUp(home, 'here'), signUp(away, 'there')]);
    const settings = join(home.dataDir, 'config');
    const profiles = [
      { name: 'away', address: away.url, theme: 'light' },
      { name: 'home', address: home.socketPath, theme: 'dark' },
    ];
    await mkdir(join(settings, 'fathom'), { recursive: true });
    await writeFile(join(settings, 'fathom/console.json'), JSON.stringify({ profiles }));
    const terminal = await openConsole(home, {
      env: { XDG_CONFIG_HOME: settings },
      target: ['--profile', 'home'],
    });
    await terminal.shows('● live', '● ready', /^ home /m);
    await terminal.press('2', 'l');
    await terminal.shows(here.name, 'Server started at');
    expect(await terminal.painted()).toContain(DARK_TITLE);

    await terminal.press('7');
    await terminal.shows(/away +● live/, /home +● live .*◂ current/);
    await terminal.press('g', 'Enter');
    // It knows nothing of the other one yet: nothing of this one may stand in for that.
    const asked = await terminal.shows('E-mail', away.url, /^ away /m);
    expect(asked).not.toContain(here.name);
    await terminal.type(away.admin.email);
    await terminal.press('Tab');
    await terminal.type('not-the-password');
    await terminal.press('Enter');
    await untilSignInRefused(terminal, away);
    await terminal.press('C-u');
    await terminal.type(away.admin.password);
    await terminal.press('Enter');
    await terminal.shows('● live', '● ready', 'admin');
    const painted = await terminal.painted();
    expect(painted).toContain(LIGHT_TITLE);
    expect(painted).not.toContain(DARK_TITLE);
    await terminal.press('2');
    expect(await terminal.shows('2 instances', `● ${there.name}`)).not.toContain(here.name);

    // Changes at the first daemon are not shown here, and are known after the return.
    const { pid } = await home.client.databases.get(here.name);
    kill(pid, 'SIGKILL');
    await untilInstance(
      home,
      here.name,
      ({ restarts, phase }) => restarts === 1 && phase === 'running',
      'to be back',
    );
    await away.client.databases.stop(there.name);
    expect(await terminal.shows(`○ ${there.name}`)).not.toContain(here.name);
    await terminal.press('6');
    await terminal.shows(/database\.stop +2.* ok /);
    expect(await terminal.text()).not.toContain(here.name);

    await terminal.press('7', 'G', 'Enter');
    await terminal.shows('● live', '● ready', /^ home /m);
    await terminal.press('2');
    const back = await terminal.shows('2 instances', /here.* running again, died \d+ s ago · SIGKILL/);
    expect(back).not.toContain(there.name);
  });
});
