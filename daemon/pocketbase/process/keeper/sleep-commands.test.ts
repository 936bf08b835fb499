import { expect, it } from 'vitest';
import type { SpawnCommand } from './keeper-protocol.ts';
import { packCommands, SleepCommands } from './sleep-commands.ts';

function command(name: string, port: number, env: Record<string, string> = {}): SpawnCommand {
  return {
    file: '/opt/pocketbase',
    args: ['serve', `--http=127.0.0.1:${port}`, `--dir=/data/${name}/pb_data`, '--dev=false'],
    env: { TZ: 'UTC', KEY: `key of ${name}`, ...env },
    logFile: `/logs/${name}.log`,
    lockFile: `/data/${name}/lock`,
    nice: 5,
    cgroup: null,
    sandbox: {
      setting: 'auto',
      fleetDirectories: ['/data'],
      dataDir: `/data/${name}/pb_data`,
      temporaryDir: `/data/${name}/tmp`,
      readable: [],
      port,
    },
  };
}

const ANN = command('ann', 9001);
const BOB = command('bob', 9002);
/** With another variable, and a directory more. */
const EVE = { ...command('eve', 9003, { GOMAXPROCS: '2' }), args: ['serve'] };

it('returns each command as it was', () => {
  const commands = new SleepCommands([
    [9001, ANN],
    [9002, BOB],
  ]);
  commands.set(9003, EVE);
  expect([9001, 9002, 9003].map((port) => commands.get(port))).toEqual([ANN, BOB, EVE]);
  expect(commands.entries()).toEqual([
    [9001, ANN],
    [9002, BOB],
    [9003, EVE],
  ]);
});

it('takes packed commands only for databases that still sleep', () => {
  const commands = new SleepCommands();
  for (const port of [9001, 9003]) commands.add(port);
  expect(commands.get(9001)).toBeNull();
  const packed = packCommands([
    { port: 9001, command: ANN },
    { port: 9002, command: BOB },
    { port: 9003, command: EVE },
  ]);
  commands.setPacked(JSON.parse(JSON.stringify(packed)));
  expect([9001, 9002, 9003].map((port) => commands.get(port))).toEqual([ANN, undefined, EVE]);
  commands.add(9001);
  expect(commands.get(9001)).toEqual(ANN);
});
