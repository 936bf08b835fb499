import type { Finding } from '../../daemon/host/doctor/finding.ts';
import type { Deployment } from './deployment.ts';
import { fathomd } from './fathomd.ts';

/** What `fathomd doctor` finds. @param env beside that of the deployment */
export async function doctorFindings(
  fathom: Pick<Deployment, 'dataDir' | 'env'>,
  env: Readonly<Record<string, string>> = {},
): Promise<Finding[]> {
  const { stdout } = await fathomd(['doctor', '--json'], {
    cwd: fathom.dataDir,
    env: { ...fathom.env, ...env },
  });
  return JSON.parse(stdout) as Finding[];
}
