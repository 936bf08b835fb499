import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import type { HostFacts } from './facts/host-facts.ts';
import { type Finding, fatal, warning } from './finding.ts';

/** A daemon whose process runs and does not answer on its socket. */
export function checkHungDaemon(
  pid: number,
  { problem, suspended }: { problem: string; suspended: boolean },
): Finding {
  if (suspended) return fatal('daemon', `the daemon (pid ${pid}) is suspended`, `run 'kill -CONT ${pid}'`);
  return fatal(
    'daemon',
    `the daemon (pid ${pid}) runs and does not answer: ${problem}`,
    `if it stays so, run 'systemctl restart fathomd', or 'kill -9 ${pid}' and start it again; databases keep running`,
  );
}

export function checkDaemonLog({ dropped, problem }: DaemonStatus['log']): Finding[] {
  if (dropped === 0) return [];
  const state = problem === null ? 'the log is written again' : `the log cannot be written (${problem})`;
  return [
    warning(
      'daemon_log',
      `the daemon lost ${dropped} log lines since its start; ${state}`,
      'free space on the disk of the log, or fix the program that reads the output; a restart resets the count',
    ),
  ];
}

export function checkRelease({ interruptedChange }: HostFacts): Finding[] {
  if (interruptedChange === null) return [];
  return [warning('release', `${interruptedChange.summary}, or is in progress`, interruptedChange.remedy)];
}
