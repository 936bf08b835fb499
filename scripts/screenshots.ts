/** `npm run screenshots`: pictures of the built console on a real daemon with the demo's fleet, into `docs/screens/`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TmuxTerminal } from '../test/console/tmux-terminal.ts';
import { createDeployment, SERVE_DEMO } from '../test/helpers/deployment.ts';
import { until } from '../test/helpers/until.ts';
import { screenToSvg } from './screen-to-svg.ts';

const COLUMNS = 120;
const ROWS = 26;
const FOLDER = join(import.meta.dirname, '../docs/screens');
const CONSOLE = join(import.meta.dirname, '../bin/fathom-tui');

const fathom = await createDeployment();
const terminal = new TmuxTerminal();
try {
  // Tasks may not reach this host unless it is allowed.
  await fathom.start({ QUEUE_ALLOWED_TARGETS: '127.0.0.1' }, SERVE_DEMO);
  const { items } = await until(
    async () => {
      const page = await fathom.client.databases.list();
      return page.items.filter(({ phase, kind }) => phase === 'running' && kind === 'user').length === 3
        ? page
        : null;
    },
    { timeoutMs: 60_000, what: "the demo's databases to run" },
  );
  const [crashed, stopped] = items.filter(({ kind }) => kind === 'user');
  // No process listens on this port: the task fails at each attempt.
  await fathom.client.queue.add({ type: 'http.request', payload: { url: 'http://127.0.0.1:9/' } });
  await fathom.client.queue.add({ type: 'report.monthly', payload: {}, max_attempts: 1 });
  if (stopped !== undefined) await fathom.client.databases.stop(stopped.name);
  if (typeof crashed?.pid === 'number') process.kill(crashed.pid, 'SIGKILL');

  await terminal.start([CONSOLE, '--socket', fathom.socketPath, '--theme', 'dark'], {
    env: { XDG_CACHE_HOME: join(fathom.dataDir, 'cache'), COLORTERM: 'truecolor' },
    columns: COLUMNS,
    rows: ROWS,
  });
  // The usage of the instances is measured after a while.
  await terminal.shows('● live', '● ready', 'SIGKILL', /Fleet +CPU.*\n +memory +[1-9]\d* MiB/);
  mkdirSync(FOLDER, { recursive: true });
  await shoot('overview');
  await terminal.press('2');
  await terminal.shows('PHASE', /running again.*SIGKILL/);
  await shoot('instances');
  await terminal.press('3');
  await terminal.shows(/http\.request +(?!◐)\S+ \w+ +[2-4]\/5/, /report\.monthly .*✗ dead/);
  await shoot('queue');
  await terminal.press('q');
} finally {
  await terminal[Symbol.asyncDispose]();
  await fathom.dispose();
}

async function shoot(name: string): Promise<void> {
  writeFileSync(join(FOLDER, `${name}.svg`), await screenToSvg(await terminal.painted(), COLUMNS, ROWS));
}
