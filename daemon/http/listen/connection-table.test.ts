import { describe, expect, it } from 'vitest';
import { ConnectionTable } from './connection-table.ts';

function createTable({ perNetwork = 2, total = 100 } = {}) {
  const table = new ConnectionTable({ perNetwork: () => perNetwork, total });
  const closed: string[] = [];
  const add = (network: string, name: string, { idle = true, shared = false } = {}) => {
    const connection = { isIdle: () => idle, close: () => closed.push(name) };
    const added = table.add(network, connection, shared);
    return { added, end: () => table.remove(network, connection) };
  };
  return { table, closed, add };
}

describe('open connections', () => {
  it('of one network replace its oldest idle one at the limit', () => {
    const { table, closed, add } = createTable();
    add('a', 'busy', { idle: false });
    add('a', 'old');
    add('b', 'other');
    expect(add('a', 'new').added).toBe(true);
    expect(closed).toEqual(['old']);
    expect(table.size).toBe(3);
  });

  it('of one network are refused when none of them is idle', () => {
    const { table, closed, add } = createTable();
    const first = add('a', '1', { idle: false });
    add('a', '2', { idle: false });
    expect(add('a', '3').added).toBe(false);
    expect(add('b', '4').added).toBe(true);
    first.end();
    expect(add('a', '5').added).toBe(true);
    expect([closed, table.size]).toEqual([[], 3]);
  });

  it('of a shared network have only the total limit', () => {
    const { table, add } = createTable({ total: 5 });
    for (const name of ['1', '2', '3', '4', '5'])
      expect(add('proxy', name, { idle: false, shared: true }).added).toBe(true);
    expect(add('proxy', '6', { shared: true }).added).toBe(false);
    expect(table.size).toBe(5);
  });

  it('in total replace an idle one of the network with the most', () => {
    const { closed, add } = createTable({ perNetwork: 3, total: 4 });
    add('quiet', 'quiet');
    for (const name of ['1', '2', '3']) add('loud', name);
    expect(add('new', 'new').added).toBe(true);
    expect(closed).toEqual(['1']);
  });

  it('are counted once when they end twice', () => {
    const { table, add } = createTable();
    const one = add('a', '1');
    one.end();
    one.end();
    expect(table.size).toBe(0);
  });
});
