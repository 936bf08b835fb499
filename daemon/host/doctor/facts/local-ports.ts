import { readFile } from 'node:fs/promises';
import type { LocalPorts } from './host-facts.ts';

/** Which ports Linux takes for outgoing connections; null when that cannot be read. Source: ip-sysctl of the kernel. */
export async function localPorts(): Promise<LocalPorts | null> {
  try {
    const [range, reserved] = await Promise.all(
      ['ip_local_port_range', 'ip_local_reserved_ports'].map((name) =>
        readFile(`/proc/sys/net/ipv4/${name}`, 'utf8'),
      ),
    );
    return parseLocalPorts(range ?? '', reserved ?? '');
  } catch {
    return null;
  }
}

export function parseLocalPorts(range: string, reserved: string): LocalPorts {
  const [first = 0, last = 0] = range.trim().split(/\s+/).map(Number);
  const parts = reserved.trim() === '' ? [] : reserved.trim().split(',');
  return {
    ephemeral: [first, last],
    reserved: parts.map((part) => {
      const [from = 0, to = from] = part.split('-').map(Number);
      return [from, to] as const;
    }),
  };
}
