/**
 * `npm run test:systemd`: Fathom installed from its tarball on a freshly made Debian with a real systemd: 12, or another that is
 * named (`npm run test:systemd trixie`). Needs root and the packages debootstrap and systemd-container; says that it skips where
 * one is missing.
 */
import { execa } from 'execa';
import { checkBackup } from './backup-checks.ts';
import { checkCluster } from './cluster-checks.ts';
import { Container, SUITES } from './container.ts';
import { checkInstall, checkUninstall } from './install-checks.ts';
import { makeReleases } from './releases.ts';
import { Report } from './report.ts';
import { checkService } from './service-checks.ts';
import { Stage } from './stage.ts';
import { checkTrust } from './trust-checks.ts';
import { clearLeftovers, makeWorkplace } from './workplace.ts';

async function whySkip(): Promise<string | null> {
  if (process.getuid?.() !== 0) return 'it needs root';
  for (const program of ['debootstrap', 'systemd-nspawn']) {
    const { failed } = await execa(program, ['--version'], { reject: false });
    if (failed) return `${program} is missing; 'apt-get install debootstrap systemd-container' brings it`;
  }
  const { failed } = await execa('unshare', ['--mount', 'true'], { reject: false });
  return failed ? 'nothing can be mounted here' : null;
}

async function main(): Promise<number> {
  const [named = SUITES[0]] = process.argv.slice(2);
  const suite = SUITES.find((one) => one === named);
  if (suite === undefined) throw new Error(`'${named}' is not one of ${SUITES.join(', ')}`);
  const why = await whySkip();
  if (why !== null) {
    console.log(`SKIPPED test:systemd: ${why}`);
    return 0;
  }
  // The first one ends the test, once what it made is removed; the second one ends it as it is.
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    // Not `once`: execa ends the process when it finds no listener but its own.
    process.on(name, () => {
      if (interrupted.signal.aborted) process.exit(1);
      interrupted.abort(new Error(`${name}: the test is ended`));
    });
  }
  const { signal } = interrupted;
  for (const left of await clearLeftovers()) console.log(`removed ${left}, left by a run that was killed`);
  await using resources = new AsyncDisposableStack();
  const report = new Report(signal);
  const { root, releases: directory } = resources.use(await makeWorkplace());

  const start = performance.now();
  const seconds = () => `${((performance.now() - start) / 1000).toFixed(0)} s`;
  // Both wait mostly: one for the network, one for the compressor.
  const making = [Container.create(root, suite, signal), makeReleases(directory, signal)] as const;
  // Also when only one of them could be made.
  resources.defer(async () => {
    const [made] = await Promise.allSettled(making);
    if (made.status === 'fulfilled') await made.value.dispose();
  });
  const [container, releases] = await Promise.all(making);
  console.log(
    `a fresh Debian ${suite} and five tarballs, the first of ${releases.megabytes} MB, were made in ${seconds()}`,
  );
  const state = await container.boot();
  console.log(`${(await container.run('systemctl', ['--version'])).split('\n')[0]} is ${state}`);

  const stage = new Stage(container);
  await checkInstall(stage, releases, report);
  await checkTrust(stage, releases, report);
  await checkService(stage, releases, report);
  await checkBackup(stage, report);
  await checkUninstall(stage, releases, report);
  await checkCluster(stage, releases, report);
  console.log(`test:systemd took ${seconds()}`);
  return report.end();
}

process.exitCode = await main();
