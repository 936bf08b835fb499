import { describe, expect, it } from 'vitest';
import { actionsOffReason } from '../../tui/widgets/link-text.ts';
import { kill, signUpMany, untilInstance, untilRunning } from '../helpers/fleet-actions.ts';
import { deployment } from '../helpers/harness.ts';
import { openConsole } from './journey-stage.ts';
import { hasTmux } from './tmux-terminal.ts';

const STALE = { kind: 'stale', since: 0, attempt: 1, next_attempt_at: null, reason: '' } as const;
const OFF = actionsOffReason(STALE) ?? '';

describe.skipIf(!hasTmux())('the console without its daemon', () => {
  it('waits for it, stays when it is killed, and resyncs with the next one without a wrong row', async () => {
    const deployed = await deployment();
    const terminal = await openConsole(deployed);
    await terminal.shows(deployed.socketPath, 'systemctl start fathomd');
    const first = await deployed.start();
    await terminal.shows('● live', '● ready');
    const [survivor, stopped, killed] = await signUpMany(deployed, 3);
    if (!survivor || !stopped || !killed) throw new Error('three have signed up');
    await terminal.press('2');
    await terminal.shows('4 instances');
    const before = await untilInstance(deployed, killed.name, ({ pid }) => pid !== null, 'to run');
    await deployed.client.databases.stop(stopped.name);
    await terminal.shows(`○ ${stopped.name}`);

    first.signal('SIGKILL');
    await first.exited;
    await terminal.shows(/▲ stale \d+ s, retry \d+/, survivor.name);
    await terminal.press('r');
    await terminal.shows(OFF);
    // What happens meanwhile must not be missed.
    kill(before.pid, 'SIGKILL');

    await deployed.start();
    await terminal.shows('● live');
    await untilRunning(deployed, killed.name);
    for (const { name, phase, pid } of await deployed.client.databases.all()) {
      const glyph = phase === 'running' ? '●' : '○';
      await terminal.shows(new RegExp(`${glyph} ${name} .*${pid ?? phase}`));
    }
    const screen = await terminal.text();
    expect(screen.split('\n').filter((line) => /^[▸ ].* \d{4}-\d\d-\d\d-\d{3}-/.test(line))).toHaveLength(3);
  });
});
