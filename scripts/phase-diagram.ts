import { INSTANCE_PHASES, type InstancePhase, PHASE_TRANSITIONS } from '../shared/instance.ts';
import { withGeneratedPart } from './markdown.ts';

/** Phases that share most transitions; the diagram draws these once. */
const WITH_PROCESS = ['starting', 'running', 'unresponsive'] as const;

/** What causes each transition. */
const CAUSES: Readonly<Record<InstancePhase, Partial<Record<InstancePhase, string>>>> = {
  stopped: { queued: 'start', asleep: 'start of the daemon', failed: 'cannot be created' },
  queued: {
    asleep: 'sleep',
    starting: 'start slot is free',
    running: 'take-over',
    backing_off: 'failure',
    failed: 'no attempts left',
    stopping: 'stop',
    stopped: 'stop',
  },
  starting: {
    running: 'answers',
    queued: 'first failure',
    backing_off: 'failure',
    failed: 'no attempts left',
    stopping: 'stop',
  },
  running: {
    unresponsive: 'probe fails',
    queued: 'first failure',
    backing_off: 'failure',
    failed: 'no attempts left',
    stopping: 'stop',
  },
  unresponsive: {
    running: 'probe succeeds',
    queued: 'first failure',
    backing_off: 'failure',
    failed: 'no attempts left',
    stopping: 'stop',
  },
  backing_off: { queued: 'delay is over', failed: 'cannot be created', stopped: 'stop' },
  stopping: { stopped: 'process ended', queued: 'restart', asleep: 'sleep' },
  asleep: { waking: 'wake', queued: 'restart', failed: 'cannot be created', stopped: 'stop' },
  waking: {
    running: 'answers',
    queued: 'first failure',
    backing_off: 'failure',
    failed: 'no attempts left',
    stopping: 'stop',
    stopped: 'stop',
    asleep: 'no start slot yet',
  },
  failed: { queued: 'start', stopped: 'stop' },
};

/** `docs/architecture.md` with the diagram of phases, which derives from `PHASE_TRANSITIONS`. */
export function withPhaseDiagram(document: string): string {
  return withGeneratedPart(document, 'phases', ['```mermaid', ...diagramLines(), '```'].join('\n'));
}

/** @throws Error when a transition has no cause */
function diagramLines(): string[] {
  const [first] = WITH_PROCESS;
  const shared = PHASE_TRANSITIONS[first].filter((to) =>
    WITH_PROCESS.every((from) => CAUSES[from][to] !== undefined && PHASE_TRANSITIONS[from].includes(to)),
  );
  const inside = WITH_PROCESS.flatMap((from) => edgesOf(from).filter(({ to }) => !shared.includes(to)));
  const others = INSTANCE_PHASES.filter((phase) => !WITH_PROCESS.some((one) => one === phase));
  return [
    'stateDiagram-v2',
    '  [*] --> stopped',
    '  state "a process runs" as process {',
    ...inside.map((edge) => `    ${lineOf(edge)}`),
    '  }',
    ...shared.map((to) => `  ${lineOf({ from: 'process', to, cause: causeOf(first, to) })}`),
    ...others.flatMap(edgesOf).map((edge) => `  ${lineOf(edge)}`),
  ];
}

interface Edge {
  from: string;
  to: InstancePhase;
  cause: string;
}

function edgesOf(from: InstancePhase): Edge[] {
  return PHASE_TRANSITIONS[from].map((to) => ({ from, to, cause: causeOf(from, to) }));
}

function causeOf(from: InstancePhase, to: InstancePhase): string {
  const cause = CAUSES[from][to];
  if (cause === undefined) throw new Error(`scripts/phase-diagram.ts has no cause of ${from} → ${to}`);
  return cause;
}

function lineOf({ from, to, cause }: Edge): string {
  return `${from} --> ${to} : ${cause}`;
}
