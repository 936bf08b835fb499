import type { ClusterNode, EtcdServerState, NodeList } from '../../../shared/api/nodes.ts';
import { pageOf } from '../../store/pages/pages.ts';
import { bytes, plural, shortDuration, since } from '../../store/text/format.ts';
import { cursorOf } from '../../store/view/ui-state.ts';
import type { Token } from '../../theme.ts';
import type { Span } from '../../widgets/line.ts';
import { type Column, drawTable, widthFor } from '../../widgets/table.ts';
import type { ConsoleState, View } from '../console.ts';

/** Of the list of nodes. */
const NODES_LIST = 'host:nodes';
/** Milliseconds between two requests. */
const INTERVAL_MS = 5_000;

/** Changes when the nodes are to be read again. */
export function nodesVersion(now: number): string {
  return String(Math.floor(now / INTERVAL_MS));
}

function listOf({ fleet }: Pick<ConsoleState, 'fleet'>): NodeList | null {
  return pageOf(fleet, 'nodes', '')?.value ?? null;
}

/** Daemons of earlier releases do not say it. */
function serversOf({ etcd = [] }: Partial<NodeList>): readonly EtcdServerState[] {
  return etcd;
}

export function nodesOf(state: Pick<ConsoleState, 'fleet'>): readonly ClusterNode[] {
  return listOf(state)?.items ?? [];
}

/** Shown at the right of the tabs: whether etcd answers. */
export function nodesNote(view: View): Span[] {
  const list = listOf(view);
  if (list === null) return [];
  const servers = serversOf(list);
  const failed = servers.filter(({ problem }) => problem !== null).length;
  if (list.problem !== null) return [['bad', `${list.node} is not registered `]];
  if (failed > 0) return [['bad', `${failed} of ${plural(servers.length, 'server')} of etcd not usable `]];
  return [['muted', `${plural(list.items.length, 'node')}, etcd ${servers.length}/${servers.length} ok `]];
}

/** Daemons of earlier releases do not say it. */
function drainOf({ drain = null }: Partial<ClusterNode>): ClusterNode['drain'] {
  return drain;
}

function nodeLook({ state, drain = null }: Partial<ClusterNode>): readonly [string, Token] {
  if (state === 'offline') return ['✗ offline', 'bad'];
  return drain === null ? ['● online', 'good'] : ['▲ drained', 'warn'];
}

/** `room` rows below the heading. */
export function nodesTable(view: View, room: number): string[] {
  const { fleet, ui, theme, size } = view;
  const nodes = nodesOf(view);
  const own = listOf(view)?.node;
  // The node that answers.
  const nameText = ({ name }: ClusterNode) => (name === own ? `${name} ◂` : name);
  const columns: Column<ClusterNode>[] = [
    {
      title: 'NODE',
      width: widthFor(nodes.map(nameText), 6, 24),
      text: nameText,
    },
    { title: 'STATE', width: 9, text: (node) => nodeLook(node)[0], tone: (node) => nodeLook(node)[1] },
    { title: 'LEASE', width: 6, align: 'right', text: (node) => leaseText(node, fleet.now) },
    { title: 'LOAD', width: 11, align: 'right', text: loadText, tone: loadTone },
    { title: 'FREE', width: 6, align: 'right', text: ({ memory_free_bytes: free }) => bytes(free) },
    { title: 'DBS', width: 5, align: 'right', text: ({ databases }) => String(databases) },
    { title: 'RUN', width: 5, align: 'right', text: ({ running }) => String(running) },
    { title: 'VERSION', width: 9, text: ({ version }) => version, tone: () => 'muted' },
    { title: 'ADDRESS', width: 0, text: ({ address }) => address },
  ];
  return drawTable(
    theme,
    { columns, rows: nodes, keyOf: ({ name }) => name, cursor: cursorOf(ui, NODES_LIST), empty: 'No nodes.' },
    size.columns,
    room,
  );
}

/** Since its last renewal. */
function leaseText({ state, seen_at: at }: ClusterNode, now: number): string {
  return state === 'offline' ? 'ended' : shortDuration(since(at, now));
}

function loadText({ load_1m: load, processors }: ClusterNode): string {
  return `${load.toFixed(1)} of ${processors}`;
}

function loadTone({ load_1m: load, processors }: ClusterNode): Token {
  return load > processors ? 'warn' : 'plain';
}

/** What is wrong with etcd or the selected node, or how far its drain is. */
export function nodeDetail(view: View, node: ClusterNode | undefined): Span[] {
  const list = listOf(view);
  const failed = serversOf(list ?? {}).find(({ problem }) => problem !== null);
  if (list?.problem) return [['bad', ` ${list.node}: ${list.problem}`]];
  if (failed) return [['bad', ` etcd at ${failed.endpoint}: ${failed.problem ?? ''}`]];
  if (node === undefined) return [];
  const drain = drainOf(node);
  if (drain !== null) return [['warn', ` ${drainText(drain)}`]];
  if (node.state === 'offline')
    return [
      ['warn', ` its databases are taken over, or wait: 'fathomd nodes remove ${node.name}' frees them`],
    ];
  return [['muted', ` fleet ${node.fleet}`]];
}

function drainText({
  purpose,
  progress,
  control_plane: isLeader,
}: NonNullable<ClusterNode['drain']>): string {
  const drained = purpose === 'upgrade' ? 'drained for its upgrade' : 'drained';
  if (progress === null) return `${drained}: it has not looked at its databases yet`;
  const { left, moving, failed, problems } = progress;
  const [problem] = problems;
  const why = problem === undefined ? '' : ` · ${problem.name}: ${problem.message}`;
  const leader = isLeader ? ' · it has the control plane: stop its daemon to give it away' : '';
  return `${drained}: ${plural(left, 'database')} left, ${moving} moving, ${failed} failed${why}${leader}`;
}
