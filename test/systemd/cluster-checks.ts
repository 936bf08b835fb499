import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { ClusterNode, NodeList } from '../../shared/api/nodes.ts';
import { findLitestream } from '../helpers/litestream.ts';
import { until } from '../helpers/until.ts';
import type { Releases } from './releases.ts';
import { mustBe, mustMatch, type Report } from './report.ts';
import type { Stage } from './stage.ts';

const CLUSTER = `FATHOM_CLUSTER=http://127.0.0.1:2379
FATHOM_NODE_ADDRESS=127.0.0.1
FATHOM_LEASE_SECONDS=60
FATHOM_FENCE=on
REPLICA=/srv/replica
LITESTREAM_BINARY_PATH=/usr/local/bin/litestream
`;
/** The first node is the service, with a target of replicas that it may write to. */
const PREPARE = `
  chmod 755 /usr/local/bin/etcd /usr/local/bin/litestream
  install -d -o fathom -m 700 /srv/replica /srv/n2
  mkdir -p /etc/systemd/system/fathomd.service.d
  printf '[Service]\\nReadWritePaths=/srv/replica\\n' > /etc/systemd/system/fathomd.service.d/replica.conf
  systemctl daemon-reload
  systemd-run --quiet --unit=etcd /usr/local/bin/etcd --data-dir=/var/lib/etcd --pre-vote \\
    --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379 \\
    --listen-peer-urls=http://127.0.0.1:2380 --initial-advertise-peer-urls=http://127.0.0.1:2380 \\
    --initial-cluster=default=http://127.0.0.1:2380
`;
/** The second node has the same secrets, and is started by hand. */
const START_SECOND = `
  set -a
  . /srv/cluster.env
  FATHOM_NODE=n2 FATHOM_DATA_DIR=/srv/n2 SERVER_PORT=4000 PB_GLOBAL_PORT=4090 PB_BASE_PORT=10000
  FATHOM_FLEET_ID=$(cat /var/lib/fathom/fleet-id)
  for name in AES_MASTER_KEY JWT_SECRET PB_ENCRYPTION_KEY PB_ADMIN_PASSWORD; do
    echo "$name=$(cat /etc/fathom/credentials/$name)"
  done > /srv/n2.env
  env | grep -E '^(FATHOM|SERVER|PB|REPLICA|LITESTREAM)' >> /srv/n2.env
  chown fathom /srv/n2.env
  systemd-run --quiet --unit=n2 --uid=fathom --working-directory=/srv/n2 \\
    $(readlink -f /opt/fathom/current)/bin/fathomd serve --env-file /srv/n2.env
`;

/** Upgrades of a node of a cluster. Expects that nothing is installed. */
export async function checkCluster(stage: Stage, releases: Releases, report: Report): Promise<void> {
  const { container } = stage;
  const litestream = await findLitestream('the upgrade of a node of a cluster');
  const { stdout: etcd } = await execa('which', ['etcd'], { reject: false });
  if (litestream === null || !etcd) {
    console.log('SKIPPED the upgrade of a node of a cluster: it needs etcd and Litestream');
    return;
  }
  await copyFile(etcd, join(container.root, 'usr/local/bin/etcd'));
  await copyFile(litestream, join(container.root, 'usr/local/bin/litestream'));
  await writeFile(join(container.root, 'srv/cluster.env'), CLUSTER);
  const nodes = async (): Promise<ClusterNode[]> =>
    (JSON.parse(await container.run('fathomd', ['nodes', 'list', '--json'])) as NodeList).items;
  const upgrade = (name: string) => container.try('fathomd', ['upgrade', `/root/${name}.tgz`, '--cluster']);

  await report.check('the service joins a cluster', async () => {
    await container.run('/root/unpacked/package/bin/fathom', ['install']);
    await container.run('mkdir', ['-p', '-m', '755', '/etc/fathom/release-keys']);
    await writeFile(join(container.root, 'etc/fathom/release-keys/test.pub'), releases.publicKey);
    await container.shell(PREPARE);
    await container.shell(
      'cat /srv/cluster.env >> /etc/fathom/fathom.env; echo FATHOM_NODE=n1 >> /etc/fathom/fathom.env',
    );
    await stage.systemctl('start', 'fathomd');
    for (const name of ['alice', 'bob'])
      await container.run('fathomd', ['users', 'add', `${name}@example.com`]);
    const alone = await upgrade('next');
    mustBe(alone.code, 1, 'the exit code without another node');
    mustMatch(alone.text, /no other node has its fleet/, 'the error without another node');
    await container.shell(START_SECOND);
    let seen: ClusterNode[] = [];
    await until(
      async () => {
        seen = await nodes();
        return seen.length === 2;
      },
      { timeoutMs: 120_000, what: () => `two nodes; there are ${JSON.stringify(seen)}` },
    );
    return seen.map(({ name, state }) => `${name} ${state}`).join(', ');
  });
  await report.check('a release that fails leaves the node drained for its upgrade', async () => {
    // Until the databases have replicas and the other node serves, it is refused, or they do not move.
    let last = '';
    await until(
      async () => {
        const { code, text } = await upgrade('broken');
        last = text;
        mustBe(code, 1, 'the exit code');
        return text.includes('is running again');
      },
      { timeoutMs: 240_000, what: () => `databases to move; it says ${last}` },
    );
    mustMatch(last, /node n1 stays drained for its upgrade/, 'what it says');
    const [one] = await nodes();
    mustBe([one?.drain?.purpose, one?.drain?.progress?.left], ['upgrade', 0], 'the drain');
    const list = JSON.parse(await container.run('fathomd', ['databases', 'list', '--json'])) as {
      kind: string;
      node: string;
    }[];
    mustBe(
      list.filter(({ kind }) => kind === 'user').map(({ node }) => node),
      ['n2', 'n2'],
      'the nodes of the databases',
    );
    mustBe(await container.run('readlink', ['/opt/fathom/current']), releases.version, 'the release');
    mustMatch(
      await container.shell('fathomd doctor 2>&1 || true'),
      /node n1 is drained for its upgrade/,
      'the doctor',
    );
    return last.split('\n').at(-1) ?? '';
  });
  await report.check('the same command with a sound release goes on, and undrains the node', async () => {
    const { code, text } = await upgrade('next');
    mustBe([code, text.includes('node n1 takes databases again')], [0, true], text);
    mustMatch(text, /nodes with an earlier version of Fathom than \S+: n2/, 'what it says of the versions');
    mustBe(
      (await nodes()).map(({ name, version, drain }) => [name, version, drain]),
      [
        ['n1', releases.nextVersion, null],
        ['n2', releases.version, null],
      ],
      'the nodes',
    );
    return text.split('\n').at(-1) ?? '';
  });
  await container.shell('systemctl stop fathomd n2 etcd');
}
