import { describe, expect, it } from 'vitest';
import { INSTANCE_PHASES, type InstancePhase } from '../../../shared/instance.ts';
import { PHASE_REASONS } from '../../../shared/reasons.ts';
import { ago, ahead, backingOff, crashLoop, failed, instance } from '../../../test/console/fleet-fixtures.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import { phaseText, reasonLine, severityOf } from './reason.ts';

const say = (one: ReturnType<typeof instance>) => reasonLine(one, Date.now());
const words = (phase: InstancePhase, after: string, ...more: (string | null)[]) =>
  [`${phaseText(phase)}${after}`, ...more].join(' · ');

describe('reasonLine', () => {
  it('describes a crash loop in one line', () => {
    expect(say(backingOff('a'))).toBe(
      words('backing_off', ' 8 s', 'exit 1', PHASE_REASONS.port_in_use.text, 'attempt 4/10'),
    );
  });

  it('shows the rate of a crash loop without an end, also while it runs', () => {
    expect(say(crashLoop('a'))).toBe(
      words('backing_off', ' 4 m 20 s', 'SIGKILL', '12 crashes in 10 minutes'),
    );
    const reason = { code: 'crashing', message: '12 crashes in 10 minutes; the last one: …' } as const;
    const running = crashLoop('a', { phase: 'running', reason, attempt: 0 });
    expect(say(running)).toBe(
      words('running', ', but', PHASE_REASONS.crashing.text, 'SIGKILL', '12 crashes in 10 minutes'),
    );
    expect(severityOf(running, Date.now())).toBe('impaired');
  });

  it('shows no negative time when the attempt is due', () => {
    const line = say(backingOff('a', { next_attempt_at: ago(3), max_attempts: null }));
    expect(line).toMatch(/ attempt 4$/);
    expect(line).not.toContain('-');
  });

  it('describes why an instance failed', () => {
    expect(say(failed('a', { since: ago(20) }))).toBe(
      words('failed', ' 20 s ago', 'exit 2', PHASE_REASONS.hook_broken.text, 'attempt 3/3'),
    );
  });

  it('is null for an instance that runs normally or was stopped on request', () => {
    expect(say(instance('a'))).toBeNull();
    expect(say(instance('a', { phase: 'stopped', desired: 'stopped' }))).toBeNull();
    const reason = { code: 'requested', message: 'stopped by an administrator' } as const;
    expect(say(instance('a', { phase: 'stopped', desired: 'stopped', reason }))).toBeNull();
  });

  it('shows a crash for a while after the instance runs again', () => {
    const exit = { code: null, signal: 'SIGKILL', uptime_s: 60, ended_by: null };
    const one = instance('a', { restarts: 1, last_exit: { ...exit, at: ago(12) } });
    expect(say(one)).toEqual(textWith(phaseText('running'), '12 s', 'SIGKILL', 'restart 1'));
    expect(severityOf(one, Date.now())).toBe('recovered');
    expect(say(instance('a', { restarts: 1, last_exit: { ...exit, at: ago(600) } }))).toBeNull();
    expect(say(instance('a', { last_exit: { ...exit, at: ago(12), ended_by: 'request' } }))).toBeNull();
    const ended = { ...exit, at: ago(12), ended_by: 'fathomd' } as const;
    expect(say(instance('a', { restarts: 1, last_exit: ended }))).toEqual(
      textWith(phaseText('running'), '12 s', 'fathomd', 'restart 1'),
    );
  });

  it('shows a failing probe of a running instance', () => {
    const error = 'no answer within 5 s';
    const probe = { at: ago(1), ok: false, latency_ms: 5000, error };
    expect(say(instance('a', { probe }))).toEqual(textWith(phaseText('running'), error));
  });

  it('starts with the phase', () => {
    for (const phase of INSTANCE_PHASES) {
      const why = say(backingOff('a', { phase, next_attempt_at: ahead(5), desired: 'running' }));
      expect(why?.startsWith(phaseText(phase)), `${phase}: ${why}`).toBe(true);
    }
  });
});

describe('severityOf', () => {
  it('an instance is down when several starts in a row have failed', () => {
    expect(severityOf(backingOff('a', { attempt: 2 }), Date.now())).toBe('recovering');
    expect(severityOf(backingOff('a', { attempt: 3 }), Date.now())).toBe('down');
    expect(severityOf(crashLoop('a', { phase: 'starting' }), Date.now())).toBe('recovering');
  });

  it('reports a start or a stop only if it is slow', () => {
    expect(severityOf(instance('a', { phase: 'starting', since: ago(5) }), Date.now())).toBe('ok');
    expect(severityOf(instance('a', { phase: 'starting', since: ago(31) }), Date.now())).toBe('slow');
  });
});
