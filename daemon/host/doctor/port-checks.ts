import type { Instance } from '../../../shared/api/instances.ts';
import type { HostFacts, LocalPorts } from './facts/host-facts.ts';
import { type Finding, ok, warning } from './finding.ts';

type Range = readonly [first: number, last: number];

/**
 * Linux takes the local port of an outgoing connection from a range of its own. While such a connection is open, no database
 * can listen on its port.
 */
export function checkPortRange({ localPorts, portRange, fleet }: HostFacts): Finding[] {
  if (portRange === null) return [];
  const range: Range = [portRange.base, portRange.base + portRange.range - 1];
  const findings: Finding[] = [];
  const open = localPorts === null ? [] : unreserved(range, localPorts);
  if (localPorts !== null && open.length > 0) {
    const reserved = [...localPorts.reserved, ...open].toSorted(([a], [b]) => a - b);
    findings.push(
      warning(
        'port_range',
        `outgoing connections of this host can use ports of databases: ${open.map(text).join(', ')}`,
        `put 'net.ipv4.ip_local_reserved_ports = ${reserved.map(text).join(',')}' into /etc/sysctl.d/50-fathom.conf, then 'sysctl --system'`,
      ),
    );
  }
  const rows = fleet?.rows ?? null;
  const known = rows !== null && 'names' in rows ? new Set(rows.names) : null;
  const outside = (fleet?.processes ?? []).filter(({ instance, address }) => {
    const port = Number(address?.split(':').at(-1));
    // Orphans have a finding of their own.
    if (known?.has(instance) === false) return false;
    return instance !== 'global' && port > 0 && (port < range[0] || port > range[1]);
  });
  if (outside.length > 0) {
    const [first] = outside;
    findings.push(
      warning(
        'port_range',
        `${outside.length} databases run outside of PB_BASE_PORT and PB_PORT_RANGE, like ${first?.instance} (${first?.address})`,
        "restart them with 'fathomd databases restart NAME', which gives them a port of the range",
      ),
    );
  }
  if (findings.length === 0) findings.push(ok('port_range', `databases listen on ports ${text(range)}`));
  return findings;
}

/** Warn when this share of the ports belongs to databases. */
const WARNING_SHARE = 0.8;

/** A database keeps its port while it is stopped. Without a free port, accounts get no database. */
export function checkDatabasePorts({ portRange, fleet }: HostFacts): Finding[] {
  const rows = fleet?.rows ?? null;
  if (portRange === null || rows === null || 'problem' in rows) return [];
  const { base, range } = portRange;
  const used = rows.ports.filter((port) => port >= base && port < base + range).length;
  const summary = `${used} of ${range} ports belong to databases (PB_PORT_RANGE)`;
  if (used < range * WARNING_SHARE) return [ok('ports', summary)];
  const { withoutDatabase } = rows;
  const waiting = withoutDatabase === 0 ? '' : `; accounts that wait for a database: ${withoutDatabase}`;
  return [
    warning(
      'ports',
      `${summary}${waiting}`,
      "raise PB_PORT_RANGE and restart the daemon, or delete databases: 'fathomd databases list'",
    ),
  ];
}

/** Clients of a database learn its new address within this time. */
const MOVED_DAYS = 7;
const DAY_MS = 86_400_000;

/** Databases that had to take another port: their clients need the new address. */
export function checkMovedPorts({ fleet, now }: Pick<HostFacts, 'fleet' | 'now'>): Finding[] {
  const since = now.getTime() - MOVED_DAYS * DAY_MS;
  const moved = (fleet?.instances ?? []).flatMap(({ name, port, moved: move }: Partial<Instance>) =>
    move && Date.parse(move.at) >= since ? [`${name} (${move.from} to ${port}: ${move.reason})`] : [],
  );
  if (moved.length === 0) return [];
  const [first = '', ...others] = moved;
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  return [
    warning(
      'moved_ports',
      `databases that moved to another port in the last ${MOVED_DAYS} days: ${first}${more}`,
      "give their clients the new address, see 'fathomd databases show NAME'; they keep the new port",
    ),
  ];
}

/** The parts of a range that Linux may use for outgoing connections. */
function unreserved([first, last]: Range, { ephemeral, reserved }: LocalPorts): Range[] {
  const parts: [number, number][] = [];
  for (let port = Math.max(first, ephemeral[0]); port <= Math.min(last, ephemeral[1]); port += 1) {
    if (reserved.some(([from, to]) => port >= from && port <= to)) continue;
    const part = parts.at(-1);
    if (part !== undefined && part[1] === port - 1) part[1] = port;
    else parts.push([port, port]);
  }
  return parts;
}

function text([first, last]: Range): string {
  return first === last ? String(first) : `${first}-${last}`;
}
