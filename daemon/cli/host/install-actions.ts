import { resolve } from 'node:path';
import { createClient } from '../../../shared/client/fathom-client.ts';
import { packageRoot } from '../../base/package.ts';
import { loadEdgeConfig } from '../../config/config.ts';
import {
  installEdge,
  removeEdge,
  type SiteOptions,
  standaloneNginx,
} from '../../host/install/edge/install-edge.ts';
import { domainProblem, type Edge } from '../../host/install/edge/site.ts';
import { checkHost } from '../../host/install/host.ts';
import { install as installPackage } from '../../host/install/install.ts';
import { withInstallLock } from '../../host/install/install-lock.ts';
import { SOCKET } from '../../host/install/release/layout.ts';
import { CONFIRMATION, uninstall as uninstallProgram } from '../../host/install/uninstall.ts';
import { rollBack, upgrade as upgradeTo } from '../../host/install/upgrade.ts';
import type { InstallContext } from '../../host/install/verify-release.ts';
import { type CliContext, printLine } from '../context.ts';
import { readConfirmation } from '../input/prompt.ts';
import { UsageError } from '../input/usage-error.ts';
import { continueWithoutOutput } from '../output/output-failure.ts';
import { printable } from '../output/print.ts';
import { upgradeNode } from './upgrade/upgrade-node.ts';

const QUESTION = `This removes all databases of all users. Type '${CONFIRMATION}': `;

interface CertificateArguments {
  certificate?: string | undefined;
  'certificate-key'?: string | undefined;
}

interface InstallArguments extends CertificateArguments {
  edge?: Edge | 'none' | undefined;
  domain?: string | undefined;
}

export async function install(args: InstallArguments, context: CliContext): Promise<number> {
  const changeEdge = edgeChange(args, context.cwd);
  await asAdministrator('install', context, async (host) => {
    await installPackage(packageRoot(), host);
    await changeEdge?.(host);
  });
  return 0;
}

/** What to do with the site of a reverse proxy; null to leave it as it is. @throws UsageError */
function edgeChange(
  { edge, domain, certificate, 'certificate-key': certificateKey }: InstallArguments,
  cwd: string,
): ((host: InstallContext) => Promise<void>) | null {
  if (edge === undefined || edge === 'none') {
    const needless = [domain, certificate, certificateKey].some((value) => value !== undefined);
    if (needless)
      throw new UsageError("--domain and the certificate belong to '--edge nginx' or '--edge caddy'");
    if (edge === undefined) return null;
    return async ({ print }) => {
      const isRemoved = await removeEdge();
      print(
        isRemoved ? "removed the site; 'systemctl restart fathomd' applies it" : 'there is no site to remove',
      );
    };
  }
  if (domain === undefined) throw new UsageError(`--edge ${edge} needs --domain, like --domain example.com`);
  const options = { edge, ...siteOptions({ domain, certificate, 'certificate-key': certificateKey }, cwd) };
  return (host) => installEdge(options, host);
}

/** @throws UsageError */
function siteOptions(
  { domain, ...files }: CertificateArguments & { domain: string },
  cwd: string,
): SiteOptions {
  const absolute = (path: string | undefined) => (path === undefined ? null : resolve(cwd, path));
  const name = domain.toLowerCase().replace(/\.$/, '');
  const problem = domainProblem(name);
  if (problem !== null) throw new UsageError(problem);
  return {
    domain: name,
    certificate: absolute(files.certificate),
    certificateKey: absolute(files['certificate-key']),
  };
}

export async function printEdge(
  args: CertificateArguments & { domain: string; 'env-file'?: string | undefined },
  { env, cwd, stdout }: CliContext,
): Promise<number> {
  const options = siteOptions(args, cwd);
  const config = loadEdgeConfig({ commandLine: { envFile: args['env-file'] }, env, cwd });
  stdout.write(await standaloneNginx(options, config));
  return 0;
}

export async function upgrade(
  {
    tarball,
    'allow-unsigned': allowUnsigned,
    'allow-downgrade': allowDowngrade,
    cluster: isOfCluster,
  }: { tarball: string; 'allow-unsigned': boolean; 'allow-downgrade': boolean; cluster: boolean },
  context: CliContext,
): Promise<number> {
  const words = isOfCluster ? `upgrade ${tarball} --cluster` : `upgrade ${tarball}`;
  const isKept = await asAdministrator(words, context, (host) => {
    const change = (prepare?: () => Promise<void>) =>
      upgradeTo(resolve(context.cwd, tarball), { allowUnsigned, allowDowngrade }, host, prepare);
    if (!isOfCluster) return change();
    const client = createClient({ target: { socketPath: SOCKET } });
    return upgradeNode({ ...host, client, change, stderr: context.stderr });
  });
  return isKept ? 0 : 1;
}

export async function rollback(context: CliContext): Promise<number> {
  return (await asAdministrator('rollback', context, rollBack)) ? 0 : 1;
}

export async function uninstall({ purge }: { purge: boolean }, context: CliContext): Promise<number> {
  if (purge && (await readConfirmation(QUESTION, context)) !== CONFIRMATION) {
    throw new UsageError(`that is not '${CONFIRMATION}'; nothing was removed`);
  }
  const words = purge ? 'uninstall --purge' : 'uninstall';
  await asAdministrator(words, context, (host) => uninstallProgram({ purge }, host));
  return 0;
}

/**
 * Runs one command at a time, as root, on a host with systemd. Ctrl-C and SIGTERM interrupt it. It continues when the
 * terminal is closed.
 */
async function asAdministrator<T>(
  words: string,
  { stdout }: CliContext,
  work: (host: InstallContext) => Promise<T>,
): Promise<T> {
  await checkHost(process.getuid?.() ?? -1);
  const print = (line: string): void => printLine(stdout, printable(line));
  continueWithoutOutput();
  const interrupted = new AbortController();
  const onInterrupt = (): void => {
    if (interrupted.signal.aborted) print('already interrupted; wait until the command has stopped');
    interrupted.abort();
  };
  const handlers = { SIGINT: onInterrupt, SIGTERM: onInterrupt, SIGHUP: () => {} };
  for (const [signal, handler] of Object.entries(handlers)) process.on(signal, handler);
  try {
    return await withInstallLock(`fathomd ${words}`, () => work({ print, interrupted: interrupted.signal }));
  } finally {
    for (const [signal, handler] of Object.entries(handlers)) process.off(signal, handler);
  }
}
