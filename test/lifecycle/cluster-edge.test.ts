import { describe, expect, it } from 'vitest';
import { createNode } from '../helpers/cluster-node.ts';
import { hasEtcd, startEtcd } from '../helpers/etcd.ts';
import { PASSWORD, signUp } from '../helpers/fleet-actions.ts';
import {
  EDGE_DOMAIN,
  EDGE_SETTINGS,
  hasHaproxy,
  hostOfDatabase,
  startClusterEdge,
} from '../helpers/haproxy.ts';
import { litestream, scratchDirectory } from '../helpers/replication.ts';
import { createStandby, killServer, replicaOf, untilReplicated } from '../helpers/standby.ts';
import { until } from '../helpers/until.ts';

const RECORDS = '/api/collections/documents/records';
const isHere = [hasEtcd('the test of an edge'), hasHaproxy('the test of an edge'), litestream !== null];

describe.skipIf(!isHere.every(Boolean))('the edge of a cluster', () => {
  it('follows a takeover: a request that waits for it is answered by the next owner', async () => {
    const etcd = await startEtcd();
    const one = await createNode(etcd, 'n1', { ...replicaOf(await scratchDirectory()), ...EDGE_SETTINGS });
    const first = await one.start();
    const ann = await signUp(one, 'ann');
    const edge = await startClusterEdge(etcd);
    const host = hostOfDatabase(ann.name);
    const add = (title: string) =>
      edge.call(host, RECORDS, {
        method: 'POST',
        headers: { authorization: ann.ownerToken },
        body: JSON.stringify({ title }),
      });
    await until(async () => (await add('before')).status === 200, { what: () => edge.log() });
    const two = await createStandby(etcd, 'n2', one, EDGE_SETTINGS);
    const standby = two.launch();
    await untilReplicated(etcd, one, 'n1');

    await killServer(one, first);
    // While the lease of n1 lasts, its address is refused. Then its routes end with its session.
    await until(() => edge.log().includes('"to":"moving"'), { what: () => edge.log() });
    const [created, session] = await Promise.all([
      add('waited'),
      edge.call(`api.${EDGE_DOMAIN}`, '/api/v1/auth/login', {
        method: 'POST',
        body: JSON.stringify({ email: ann.email, password: PASSWORD }),
      }),
    ]);
    expect([created.status, session.status], standby.output()).toEqual([200, 200]);
    expect(JSON.parse(session.text)).toMatchObject({
      database: { name: ann.name, url: `http://${host}` },
    });
    const list = await edge.call(host, `${RECORDS}?sort=title`, {
      headers: { authorization: ann.ownerToken },
    });
    expect(JSON.parse(list.text)).toMatchObject({ items: [{ title: 'before' }, { title: 'waited' }] });

    const back = one.launch();
    await until(() => back.output().includes('node n2 owns global'), { what: () => back.output() });
    expect((await add('still on n2')).status).toBe(200);
  });
});
