import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Fate } from '../../test/helpers/fake-driver.ts';
import { settle } from '../../test/helpers/manual-time.ts';
import { Stage } from '../../test/helpers/runner-stage.ts';
import { dataDirOf } from './instance-spec.ts';
import type { Runner } from './runner.ts';

let stage = new Stage();

const fates: Fate[] = [
  { kind: 'serves', afterMs: 0 },
  { kind: 'serves', afterMs: 300, ignoresTerm: true },
  { kind: 'serves', afterMs: 20_000 },
  { kind: 'dies', afterMs: 0, code: 0, says: 'gone' },
  { kind: 'dies', afterMs: 400, code: 1, says: 'file is not a database (26)' },
  { kind: 'dies', afterMs: 40, code: 0, says: 'Error: listen tcp 127.0.0.1:9: bind: address already in use' },
  { kind: 'silent' },
  { kind: 'refused' },
  { kind: 'dies', afterMs: 10, code: 1, says: 'database or disk is full' },
];

/** The only causes for which an instance that has served is given up. */
const UNFIXABLE = ['database_corrupt'];

const KINDS = [
  'start',
  'force',
  'stop',
  'restart',
  'kill',
  'hang',
  'continue',
  'sleep',
  'asleep',
  'wake',
  'use',
  'maintain',
] as const;

type Command =
  | { kind: (typeof KINDS)[number]; runner: number }
  | { kind: 'time'; ms: number }
  | { kind: 'turns'; count: number }
  | { kind: 'fate'; fate: Fate };

const COUNT = 3;
const IDLE = { code: 'idle', message: 'not used' } as const;
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom(...KINDS),
      runner: fc.nat({ max: COUNT - 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('time'), ms: fc.constantFrom(5, 60, 700, 6_000, 30_000) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('turns'), count: fc.nat({ max: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('fate'), fate: fc.constantFrom(...fates) }) },
);

async function apply(step: Command): Promise<void> {
  if (step.kind === 'time') return stage.time.advance(step.ms);
  if (step.kind === 'turns') return settle(step.count);
  if (step.kind === 'fate') {
    stage.fate = () => step.fate;
    return undefined;
  }
  const runner = stage.runners[step.runner] as Runner;
  const bodies = stage.driver.of(runner.spec.name);
  if (step.kind === 'start' || step.kind === 'force') runner.start({ force: step.kind === 'force' });
  else if (step.kind === 'stop') runner.stop();
  else if (step.kind === 'restart') runner.restart();
  else if (step.kind === 'kill') for (const body of bodies) body.end({ code: null, signal: 'SIGKILL' });
  else if (step.kind === 'hang' || step.kind === 'continue')
    for (const body of bodies) body.hung = step.kind === 'hang';
  else if (step.kind === 'sleep') void runner.sleep(IDLE);
  else if (step.kind === 'asleep') runner.startAsleep(IDLE);
  else if (step.kind === 'wake') runner.wake();
  else if (step.kind === 'maintain') maintain(runner);
  else for (const body of bodies) stage.driver.inUse.add(body.process.pid);
  return undefined;
}

/** The files of an instance must have no process during the work. */
function maintain(runner: Runner): void {
  const { name } = runner.spec;
  const check = () => {
    if (stage.driver.of(name).length > 0) stage.faults.push(`${name} has a process during its maintenance`);
  };
  const work = async () => {
    check();
    await stage.time.sleep(50);
    check();
  };
  // Refused while other work runs, and without effect on the instance.
  runner.maintain(work, { code: 'requested', message: 'maintained' }).catch(() => {});
}

/** As at the start of the daemon: instances get the processes of an earlier daemon first. */
function takeOver(left: readonly boolean[]): void {
  for (const [index, { spec }] of stage.runners.entries()) {
    const { name, directory, binary } = spec;
    if (left[index] !== true) continue;
    const dataDir = dataDirOf(directory);
    const found = stage.driver.leave({ name, port: 9000 + index, dataDir, binary: binary.path });
    stage.runners[index]?.start({ force: false, adopt: found });
  }
}

const GOALS = { start: 'running', restart: 'running', stop: 'stopped', sleep: 'asleep' } as const;

/** Lets instances sleep after they run. */
async function sleepThose(lastCommands: readonly (keyof typeof GOALS)[]): Promise<void> {
  for (const [index, last] of lastCommands.entries()) {
    const runner = stage.runners[index] as Runner;
    if (last !== 'sleep') continue;
    await stage.untilPhase('running', runner);
    expect(await runner.sleep(IDLE)).toBeNull();
  }
}

/** Instances that were given up because of crashes although they had served. */
function wronglyGivenUp(hasServed: boolean): string[] {
  const served = new Set<string>();
  return stage.phases.flatMap(({ name, to, reason }) => {
    if (to === 'running') served.add(name);
    const isWrong = to === 'failed' && (hasServed || served.has(name)) && !UNFIXABLE.includes(reason ?? '');
    return isWrong ? [`${name}: ${reason}`] : [];
  });
}

describe('any order of commands and failures', () => {
  it('never starts two processes of one instance, and reaches the desired state by valid transitions', async () => {
    const scenario = fc.record({
      left: fc.array(fc.boolean(), { minLength: COUNT, maxLength: COUNT }),
      commands: fc.array(command, { maxLength: 40 }),
      lastCommands: fc.array(fc.constantFrom('start', 'stop', 'restart', 'sleep'), {
        minLength: COUNT,
        maxLength: COUNT,
      }),
      slots: fc.integer({ min: 1, max: COUNT }),
      end: fc.constantFrom('stop', 'leave'),
      random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      hasServed: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ left, commands, lastCommands, slots, end, random, hasServed }) => {
        stage = new Stage();
        stage.random = () => random;
        stage.hasServed = hasServed;
        stage.add(COUNT, slots);
        takeOver(left);
        for (const step of commands) await apply(step);

        stage.fate = () => ({ kind: 'serves', afterMs: 20 });
        for (const body of stage.driver.alive.values()) body.hung = false;
        stage.driver.inUse.clear();
        for (const [index, last] of lastCommands.entries()) {
          const runner = stage.runners[index] as Runner;
          if (last === 'start') runner.start({ force: true });
          else if (last === 'stop') runner.stop();
          else runner.restart();
        }
        const goal = (index: number) => GOALS[lastCommands[index] ?? 'start'];
        await sleepThose(lastCommands);
        await stage.until(
          () => stage.runners.every(({ state }, index) => state.phase === goal(index)),
          lastCommands.join(', '),
        );
        for (const [index, { spec, state }] of stage.runners.entries()) {
          const pids = stage.driver.of(spec.name).map(({ process: { pid } }) => pid);
          expect(pids).toEqual(goal(index) === 'running' ? [state.observed.pid] : []);
        }
        const running = stage.driver.alive.size;
        await stage.close(end);
        expect(stage.driver.alive.size).toBe(end === 'stop' ? 0 : running);
        if (end === 'stop') {
          expect(stage.runners.map(({ state }) => state.phase)).toEqual(['stopped', 'stopped', 'stopped']);
        }
        expect(wronglyGivenUp(hasServed)).toEqual([]);
        expect(stage.driver.violations).toEqual([]);
        expect(stage.faults).toEqual([]);
      }),
      { numRuns: 300 },
    );
  }, 120_000);
});
