import type { Instance, LastExit } from '../../../shared/api/instances.ts';
import { crashRate, isCrashLoop } from '../../../shared/crashes.ts';
import { byteSize, clockTime, latency, longDuration, percent, since } from '../../store/text/format.ts';
import { reasonLine } from '../../store/text/reason.ts';
import { phaseLook } from '../../theme.ts';
import { paintLine, type Span } from '../../widgets/line.ts';
import { phaseSpan } from '../../widgets/phase-counts.ts';
import { fit, wrapWords } from '../../widgets/text.ts';
import type { View } from '../console.ts';

const LABEL = 12;

/** The complete state of one instance. */
export function summaryLines(view: View, instance: Instance): string[] {
  const { now } = view.fleet;
  // Measurements of a process that has exited are outdated.
  const usage = instance.pid === null ? null : instance.usage;
  const { memory_bytes: memory, disk_bytes: disk, sleep_after: sleepAfter } = instance.limits;
  const line = (label: string, ...spans: Span[]) =>
    paintLine(view.theme, [['title', ` ${fit(label, LABEL)}`], ...spans], view.size.columns);
  const plain = (label: string, text: string) => line(label, ['plain', text]);
  return [
    line('Phase', phaseSpan(instance.phase), [
      'muted',
      ` for ${longDuration(since(instance.since, now))}, desired state: ${instance.desired}`,
    ]),
    ...reasonLines(view, instance),
    ...tailLines(view, instance),
    '',
    plain('Owner', instance.email ?? 'none: this is the global database'),
    plain('Address', instance.url ?? 'none while it is not running'),
    ...movedLines(view, instance),
    plain('Process', processText(instance, now)),
    plain('Last exit', instance.last_exit === null ? 'none' : lastExitText(instance.last_exit, now)),
    plain('Restarts', restartsText(instance)),
    '',
    plain('Probe', probeText(instance, now)),
    plain(
      'Memory',
      measured(usage?.pss_bytes, (value) => `${byteSize(value)}${ofLimit(memory)}`),
    ),
    plain(
      'CPU',
      measured(usage?.cpu_percent, (value) => `${percent(value)} % of one core`),
    ),
    plain(
      'Disk',
      measured(instance.usage?.disk_bytes, (value) => `${byteSize(value)}${ofLimit(disk)}`),
    ),
    plain('Connections', measured(usage?.open_connections, String)),
    ...(sleepAfter > 0 ? [plain('Sleep', `after ${longDuration(sleepAfter * 60_000)} without use`)] : []),
    '',
    plain('Data', instance.db_path),
    plain('PocketBase', versionText(instance)),
    plain('Created', instance.created_at),
    ...applicationLines(view, instance),
    plain('Sandbox', sandboxText(instance)),
    ...(instance.access === 'developer' ? [plain('Access', 'developer: the owner is a superuser')] : []),
    ...(instance.developer ? [plain('Developer', 'superusers are let through the edge')] : []),
  ];
}

function reasonLines({ fleet, theme, size }: View, instance: Instance): string[] {
  const why = reasonLine(instance, fleet.now);
  const message = instance.reason?.message ?? '';
  const texts = [why ?? '', why?.includes(message) === true ? '' : message].filter((text) => text !== '');
  const { token } = phaseLook(instance.phase);
  return texts.flatMap((text, nth) =>
    wrapWords(text, size.columns - LABEL - 2).map((part, index) =>
      paintLine(
        theme,
        [
          ['title', ` ${fit(nth === 0 && index === 0 ? 'Why' : '', LABEL)}`],
          [nth === 0 ? token : 'plain', part],
        ],
        size.columns,
      ),
    ),
  );
}

/** The daemon of an earlier release does not pin databases. */
function versionText({
  pocketbase_version: version = '',
  pinned_version: pinned,
}: Partial<Instance>): string {
  if (pinned === null || pinned === undefined) return version;
  return pinned === version ? `${version}, pinned` : `${version}, pinned to ${pinned} from its next start on`;
}

/** The daemon of an earlier release does not report it. */
function movedLines({ fleet, theme, size }: View, { moved }: Partial<Instance>): string[] {
  if (!moved) return [];
  const when = longDuration(since(moved.at, fleet.now));
  const text = `from port ${moved.from} ${when} ago: ${moved.reason}; clients need the new address`;
  return wrapWords(text, size.columns - LABEL - 2).map((part, index) =>
    paintLine(
      theme,
      [
        ['title', ` ${fit(index === 0 ? 'Moved' : '', LABEL)}`],
        ['warn', part],
      ],
      size.columns,
    ),
  );
}

/** The daemon of an earlier release does not report them. The global database has none. */
function applicationLines({ theme, size }: View, { applications = [] }: Partial<Instance>): string[] {
  if (applications.length === 0) return [];
  return wrapWords(applications.join(', '), size.columns - LABEL - 2).map((part, index) =>
    paintLine(
      theme,
      [
        ['title', ` ${fit(index === 0 ? 'Applications' : '', LABEL)}`],
        ['plain', part],
      ],
      size.columns,
    ),
  );
}

/** The daemon of an earlier release does not report it. */
function sandboxText({ sandbox }: Partial<Instance>): string {
  if (!sandbox) return 'none while it is not running';
  return sandbox.reason === null ? sandbox.level : `${sandbox.level}: ${sandbox.reason}`;
}

function processText({ phase, pid, port, started_at: at }: Instance, now: number): string {
  if (phase === 'asleep') return `none; a request to port ${port ?? 'unknown'} starts one`;
  if (pid === null) return port === null ? 'none' : `none; port ${port} is reserved`;
  const up = at === null ? '' : `, up ${longDuration(since(at, now))}`;
  return `pid ${pid}, port ${port ?? 'unknown'}${up}`;
}

const ENDED_BY_TEXTS = {
  request: 'requested',
  fathomd: 'ended by fathomd',
  other: 'not requested',
} as const;

function lastExitText(
  { code, signal, at, uptime_s: uptime, ended_by: endedBy }: LastExit,
  now: number,
): string {
  const how = signal === null ? `exit ${code ?? 'unknown'}` : signal;
  return `${how}, ${longDuration(since(at, now))} ago (${clockTime(at)}), after ${longDuration(uptime * 1000)}; ${ENDED_BY_TEXTS[endedBy ?? 'other']}`;
}

function restartsText({ restarts, attempt, max_attempts: most, crashes }: Instance): string {
  const rate = isCrashLoop(crashes) ? `; ${crashRate(crashes)}` : '';
  if (attempt === 0) return `${restarts}${rate}`;
  return `${restarts}${rate}; attempt ${attempt}${most === null ? '' : ` of ${most}`}`;
}

function probeText({ probe }: Instance, now: number): string {
  if (probe === null) return 'not probed yet';
  const outcome = probe.ok ? `ok in ${latency(probe.latency_ms)}` : `failed: ${probe.error ?? 'no answer'}`;
  return `${outcome}, ${longDuration(since(probe.at, now))} ago`;
}

function ofLimit(limit: number | null): string {
  return limit === null ? ', without a limit' : ` of ${byteSize(limit)}`;
}

function measured(value: number | null | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? 'not measured' : format(value);
}

function tailLines({ theme, size }: View, { reason }: Instance): string[] {
  const tail = reason?.log_tail ?? [];
  if (tail.length === 0) return [];
  return [
    '',
    theme.paint('title', ' Last lines of output'),
    ...tail.map((text) => paintLine(theme, [['muted', ` │ ${text}`]], size.columns)),
  ];
}
