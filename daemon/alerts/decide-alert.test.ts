import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Alert,
  type AlertState,
  alertStateSchema,
  decideAlert,
  EMPTY_STATE,
  HOLD_MS,
  REMEMBERED_MS,
  SETTLE_MS,
} from './decide-alert.ts';
import { PROBLEM_CLASSES, type Problem, type ProblemClass } from './problem.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const INTERVAL_MS = 5 * MINUTE_MS;
const START_MS = Date.UTC(2026, 0, 1);
const NONE: ReadonlySet<ProblemClass> = new Set();

function problem(key: string, other: Partial<Problem> = {}): Problem {
  return {
    key,
    class: 'database',
    severity: 'warning',
    database: key,
    text: `${key} is ill`,
    remedy: null,
    extent: 1,
    ...other,
  };
}

/** Decides every 15 seconds. The state is read from its JSON each time, as after a SIGKILL. */
class Decisions {
  nowMs = START_MS;
  isQuiet = false;
  state: AlertState = EMPTY_STATE;
  readonly sent: { atMs: number; alert: Alert }[] = [];

  run(ms: number, problems: readonly Problem[], unknown = NONE): string[] {
    const before = this.sent.length;
    for (const end = this.nowMs + ms; this.nowMs < end; this.nowMs += 15_000) {
      const stored = alertStateSchema.parse(JSON.parse(JSON.stringify(this.state)));
      const rules = { intervalMs: INTERVAL_MS, isQuiet: this.isQuiet };
      const { state, alert } = decideAlert(stored, { problems, unknown }, { nowMs: this.nowMs, rules });
      this.state = state;
      if (alert) this.sent.push({ atMs: this.nowMs, alert });
    }
    return this.sent.slice(before).map(({ alert: { began, ended } }) => {
      const [more, less] = [began.map(({ key }) => `+${key}`), ended.map(({ key }) => `-${key}`)];
      return [...more, ...less].join(' ');
    });
  }
}

describe('an alert', () => {
  it('is sent once for a problem, and once for its end', () => {
    const decisions = new Decisions();
    expect(decisions.run(HOUR_MS, [problem('a')])).toEqual(['+a']);
    expect(decisions.run(HOUR_MS, [])).toEqual(['-a']);
    expect(decisions.sent[1]?.alert).toMatchObject({ open: 0, ended: [{ durationMs: HOUR_MS }] });
  });

  it('is not sent for a problem that ends soon', () => {
    const decisions = new Decisions();
    decisions.run(SETTLE_MS - 15_000, [problem('a')]);
    expect(decisions.run(HOUR_MS, [])).toEqual([]);
    expect(decisions.state.tracked).toEqual([]);
  });

  it('groups what happens within the interval, the most severe first', () => {
    const decisions = new Decisions();
    const first = [problem('a')];
    decisions.run(2 * MINUTE_MS, first);
    const more = [...first, problem('b'), problem('c', { class: 'disk', severity: 'critical' })];
    expect(decisions.run(HOUR_MS, more)).toEqual(['+c +b']);
    expect(decisions.sent[1]?.alert.open).toBe(3);
  });

  it('is sent again when a problem has doubled or has become critical', () => {
    const decisions = new Decisions();
    decisions.run(HOUR_MS, [problem('dead', { extent: 2 })]);
    expect(decisions.run(HOUR_MS, [problem('dead', { extent: 3 })])).toEqual([]);
    expect(decisions.run(HOUR_MS, [problem('dead', { extent: 4 })])).toEqual(['+dead']);
    expect(decisions.run(HOUR_MS, [problem('dead', { extent: 5, severity: 'critical' })])).toEqual(['+dead']);
    expect(decisions.run(HOUR_MS, [problem('dead', { extent: 1 })])).toEqual([]);
  });

  it('is not sent for a problem that is away for a short time', () => {
    const decisions = new Decisions();
    decisions.run(HOUR_MS, [problem('a')]);
    expect(decisions.run(HOLD_MS - 15_000, [])).toEqual([]);
    expect(decisions.run(HOUR_MS, [problem('a')])).toEqual([]);
  });

  it('waits longer for the end of a problem that has returned', () => {
    const decisions = new Decisions();
    const flap = (awayMs: number) => [
      ...decisions.run(10 * MINUTE_MS, [problem('a')]),
      ...decisions.run(awayMs, []),
    ];
    expect(flap(6 * MINUTE_MS)).toEqual(['+a', '-a']);
    expect(flap(6 * MINUTE_MS)).toEqual(['+a']);
    expect(flap(11 * MINUTE_MS)).toEqual(['-a']);
    expect(flap(15 * MINUTE_MS)).toEqual(['+a']);
    decisions.run(REMEMBERED_MS + HOUR_MS, []);
    expect(flap(6 * MINUTE_MS)).toEqual(['+a', '-a']);
  });

  it('does not call a problem ended that cannot be seen', () => {
    const decisions = new Decisions();
    decisions.run(HOUR_MS, [problem('a'), problem('b', { class: 'backup' })]);
    expect(decisions.run(HOUR_MS, [], new Set(['database'] as const))).toEqual(['-b']);
    expect(decisions.run(HOUR_MS, [problem('a')])).toEqual([]);
    expect(decisions.run(HOUR_MS, [])).toEqual(['-a']);
  });

  it('waits for the end of quiet hours, unless it is critical', () => {
    const decisions = new Decisions();
    decisions.isQuiet = true;
    const disk = problem('disk', { class: 'disk', severity: 'critical' });
    expect(decisions.run(HOUR_MS, [problem('a'), problem('b'), disk])).toEqual(['+disk']);
    expect(decisions.run(HOUR_MS, [problem('a')])).toEqual(['-disk']);
    decisions.isQuiet = false;
    expect(decisions.run(HOUR_MS, [problem('a')])).toEqual(['+a']);
    decisions.isQuiet = true;
    expect(decisions.run(HOUR_MS, [])).toEqual([]);
    decisions.isQuiet = false;
    expect(decisions.run(MINUTE_MS, [])).toEqual(['-a']);
  });

  it('is not delayed by a clock that is set back', () => {
    const decisions = new Decisions();
    decisions.run(HOUR_MS, [problem('a')]);
    decisions.nowMs -= 30 * 24 * HOUR_MS;
    expect(decisions.run(HOUR_MS, [problem('b')])).toEqual(['+b -a']);
  });
});

it('remembers at most a thousand problems that have ended', () => {
  const decisions = new Decisions();
  const many = Array.from({ length: 1_500 }, (_, index) => problem(`p${index}`));
  decisions.run(10 * MINUTE_MS, many);
  decisions.run(HOUR_MS, []);
  expect(decisions.state.tracked).toHaveLength(1_000);
});

const KEYS = ['a', 'b', 'c'];
const stepArbitrary = fc.record({
  minutes: fc.integer({ min: 1, max: 400 }),
  keys: fc.uniqueArray(fc.constantFrom(...KEYS), { maxLength: 3 }),
  extent: fc.integer({ min: 1, max: 8 }),
  unknown: fc.boolean(),
  quiet: fc.boolean(),
});

describe('in any order of events', () => {
  it('alerts keep their distance, and each end follows its begin', () => {
    fc.assert(
      fc.property(fc.array(stepArbitrary, { maxLength: 12 }), (steps) => {
        const decisions = new Decisions();
        for (const { minutes, keys, extent, unknown, quiet } of steps) {
          decisions.isQuiet = quiet;
          const seen = unknown ? [] : keys.map((key) => problem(key, { extent }));
          decisions.run(minutes * MINUTE_MS, seen, unknown ? new Set(PROBLEM_CLASSES) : NONE);
        }
        const open = new Set<string>();
        for (const [index, { atMs, alert }] of decisions.sent.entries()) {
          const last = decisions.sent[index - 1]?.atMs ?? Number.NEGATIVE_INFINITY;
          expect(atMs - last).toBeGreaterThanOrEqual(INTERVAL_MS);
          for (const { key } of alert.ended) expect(open.delete(key)).toBe(true);
          for (const { key } of alert.began) open.add(key);
          expect(alert.open).toBe(open.size);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('what lasts is sent, and what is over ends', () => {
    fc.assert(
      fc.property(fc.array(stepArbitrary, { maxLength: 6 }), (steps) => {
        const decisions = new Decisions();
        for (const { minutes, keys, quiet } of steps) {
          decisions.isQuiet = quiet;
          decisions.run(
            minutes * MINUTE_MS,
            keys.map((key) => problem(key)),
          );
        }
        decisions.isQuiet = false;
        decisions.run(7 * HOUR_MS, [problem('a')]);
        const open = decisions.state.tracked.filter(
          ({ sentExtent, endSentMs }) => sentExtent !== null && endSentMs === null,
        );
        expect(open.map(({ problem: { key } }) => key)).toEqual(['a']);
      }),
      { numRuns: 60 },
    );
  });

  it('a problem that comes and goes causes at most 20 alerts in a day', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 15, max: 90 * 60 }),
        fc.integer({ min: 15, max: 90 * 60 }),
        (onS, offS) => {
          const decisions = new Decisions();
          while (decisions.nowMs < START_MS + 24 * HOUR_MS) {
            decisions.run(onS * 1000, [problem('a')]);
            decisions.run(offS * 1000, []);
          }
          expect(decisions.sent.length).toBeLessThanOrEqual(20);
        },
      ),
      { numRuns: 40 },
    );
  });
});
