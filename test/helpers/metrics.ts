import type { Deployment } from './deployment.ts';

/** The metrics that everybody may read, as text. */
export async function readMetrics({ url }: Pick<Deployment, 'url'>): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

/** The value of a metric without labels; undefined when there is none. */
export async function readMetric(fathom: Pick<Deployment, 'url'>, name: string): Promise<string | undefined> {
  return new RegExp(`^${name} (.*)$`, 'm').exec(await readMetrics(fathom))?.[1];
}
