import { FathomError } from '../../shared/errors.ts';
import type { SettingsInput } from '../../shared/settings-files.ts';
import { type ClusterConfig, readCluster } from './cluster.ts';
import { readSiteUrl } from './mail.ts';
import { expandPublicUrl, publicUrlProblem } from './public-url.ts';
import { readSources } from './sources/sources.ts';
import { ValueReader } from './value-reader.ts';

/** Host names that lead to a fleet. */
export interface EdgeHosts {
  /** Of the API, and of the global PocketBase. */
  api: string;
  auth: string;
  /** What follows the name of a database in its host name, with the dot: `.db.example.com`. */
  databaseSuffix: string;
}

const SAMPLE = 'name';

/**
 * Derives the host names of a fleet behind one address: databases from PB_PUBLIC_URL, the API from PUBLIC_URL. The global
 * PocketBase has the name `auth` beside that of the API.
 *
 * @returns the problem of a setting where they cannot be derived
 */
export function edgeHosts(
  publicUrl: string,
  siteUrl: string | null,
): EdgeHosts | { setting: 'PB_PUBLIC_URL' | 'PUBLIC_URL'; problem: string } {
  const like = 'write it like https://{name}.db.example.com';
  const refused = ['{port}', '{host}'].find((placeholder) => publicUrl.includes(placeholder));
  if (refused !== undefined)
    return {
      setting: 'PB_PUBLIC_URL',
      problem: `has ${refused}, which changes when a database moves to another node; ${like}`,
    };
  const database = URL.parse(expandPublicUrl(publicUrl, { name: SAMPLE, port: 0, host: '' }));
  if (database === null || !database.hostname.startsWith(`${SAMPLE}.`) || database.pathname !== '/')
    return { setting: 'PB_PUBLIC_URL', problem: `does not begin with {name}; ${like}` };
  const api = siteUrl === null ? null : URL.parse(siteUrl);
  if (api === null || !api.hostname.includes('.'))
    return {
      setting: 'PUBLIC_URL',
      problem: 'is not the URL of the API at the edge; write it like https://api.example.com',
    };
  const databaseSuffix = database.hostname.slice(SAMPLE.length);
  const auth = `auth${api.hostname.slice(api.hostname.indexOf('.'))}`;
  if (
    auth === api.hostname ||
    `.${api.hostname}`.endsWith(databaseSuffix) ||
    `.${auth}`.endsWith(databaseSuffix)
  )
    return {
      setting: 'PUBLIC_URL',
      problem: `has the host name ${api.hostname}, which is one of a database or 'auth'; write it like https://api.example.com`,
    };
  return { api: api.hostname, auth, databaseSuffix };
}

/** What the edge of a cluster needs of the settings. */
export interface ClusterEdgeConfig {
  cluster: ClusterConfig;
  hosts: EdgeHosts;
}

/** @throws FathomError `config.invalid` with one field for each problem */
export function loadClusterEdge(input: SettingsInput): ClusterEdgeConfig {
  const sources = readSources(input);
  const read = new ValueReader(sources, input.cwd);
  const cluster = readCluster(read);
  if (cluster === null) read.problem('FATHOM_CLUSTER', 'is not set; use the value of the nodes');
  const publicUrl = read.textOrDefault('PB_PUBLIC_URL');
  const problem = publicUrlProblem(publicUrl);
  if (problem !== null) read.problem('PB_PUBLIC_URL', problem);
  const hosts = edgeHosts(publicUrl, readSiteUrl(read));
  if ('problem' in hosts && problem === null) read.problem(hosts.setting, hosts.problem);
  const fields = [...sources.problems, ...read.problems];
  if (cluster === null || 'problem' in hosts || fields.length > 0)
    throw new FathomError('config.invalid', 'the configuration of the edge is not valid:', {
      fields,
      warnings: sources.warnings,
    });
  return { cluster, hosts };
}
