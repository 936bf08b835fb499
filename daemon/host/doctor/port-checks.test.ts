import { expect, it } from 'vitest';
import { textWith } from '../../../test/helpers/text-with.ts';
import type { HostFacts } from './facts/host-facts.ts';
import { parseLocalPorts } from './facts/local-ports.ts';
import { checkDatabasePorts, checkMovedPorts, checkPortRange } from './port-checks.ts';

const LINUX = '32768\t60999\n';

function check(base: number, range: number, reserved: string, processes: string[] = []) {
  const fleet = {
    processes: processes.map((address, index) => ({ instance: index === 0 ? 'global' : 'a', address })),
  };
  return checkPortRange({
    localPorts: parseLocalPorts(LINUX, reserved),
    portRange: { base, range },
    fleet,
  } as unknown as HostFacts);
}

const reserve = (line: string) => expect.stringContaining(`ip_local_reserved_ports = ${line}'`) as unknown;

it('accepts a range outside of the ports of outgoing connections, and a reserved one', () => {
  expect(check(9000, 1000, '\n')).toMatchObject([{ id: 'port_range', level: 'ok' }]);
  expect(check(9000, 50_000, '32768-58999\n')).toMatchObject([{ level: 'ok' }]);
});

it('shows the line that reserves the rest and keeps what is reserved', () => {
  expect(check(9000, 50_000, '\n')).toMatchObject([{ level: 'warning', remedy: reserve('32768-58999') }]);
  expect(check(40_000, 11, '8080,40002-40004,40010\n')).toMatchObject([
    { remedy: reserve('8080,40000-40001,40002-40004,40005-40009,40010') },
  ]);
});

it('finds databases outside of the range, but not the global one', () => {
  expect(check(9000, 10, '\n', ['127.0.0.1:8090', '127.0.0.1:9009', '[::1]:9010'])).toMatchObject([
    { level: 'warning', summary: expect.stringContaining('1 databases') },
  ]);
  expect(check(9000, 10, '\n', ['127.0.0.1:8090', '127.0.0.1:9009'])).toMatchObject([{ level: 'ok' }]);
});

it.each([
  [7, 0, 'ok', [7, 10]],
  [8, 0, 'warning', [8, 10]],
  [10, 25, 'warning', [10, 25]],
])(
  'with %i of 10 ports used and %i accounts without a database: %s',
  (used, withoutDatabase, level, parts) => {
    // Ports outside of the range do not count.
    const ports = [8999, 9010, ...Array.from({ length: used }, (_, index) => 9000 + index)];
    const facts = { portRange: { base: 9000, range: 10 }, fleet: { rows: { ports, withoutDatabase } } };
    expect(checkDatabasePorts(facts as unknown as HostFacts)).toMatchObject([
      { id: 'ports', level, summary: textWith(...parts) },
    ]);
  },
);

function moved(name: string, at: string): object {
  const reason = 'port 9000 is in use by nginx (pid 812)';
  return { name, port: 9001, moved: { from: 9000, at, reason } };
}

function checkMoved(...instances: object[]) {
  return checkMovedPorts({ now: new Date('2026-01-10'), fleet: { instances } } as unknown as HostFacts);
}

it('names databases that moved to another port in the last week, and why', () => {
  const never = { name: 'b', port: 9002, moved: null };
  expect(checkMoved(moved('a', '2026-01-01'), never, { name: 'of an earlier release' })).toEqual([]);
  expect(checkMoved(moved('a', '2026-01-01'), moved('b', '2026-01-09'))).toMatchObject([
    { id: 'moved_ports', level: 'warning', summary: textWith('b', 9000, 9001, 'nginx (pid 812)') },
  ]);
  expect(checkMovedPorts({ now: new Date(), fleet: null })).toEqual([]);
});

it('reads nothing into a host that does not show its ports', () => {
  const facts = { localPorts: null, portRange: { base: 9000, range: 50_000 }, fleet: null };
  expect(checkPortRange(facts as unknown as HostFacts)).toMatchObject([{ level: 'ok' }]);
  expect(checkPortRange({ ...facts, portRange: null } as unknown as HostFacts)).toEqual([]);
});
