import { parse } from 'dotenv';

const BEGIN =
  "# Written by 'fathomd install --edge'. These lines win over earlier ones; '--edge none' removes them.";
const END = '# End of the lines for the edge.';

/** What `install --edge` sets in the env file. */
export interface EdgeSettings {
  /** Added to those that the file has. */
  trustedProxies: readonly string[];
  /** Value of PB_PUBLIC_URL. */
  publicUrl: string;
  /** Value of PUBLIC_URL. */
  siteUrl: string;
}

/** The text of an env file with the settings of the edge at its end. A second call replaces those of the first. */
export function withEdgeSettings(text: string, { trustedProxies, publicUrl, siteUrl }: EdgeSettings): string {
  const rest = withoutEdgeSettings(text);
  const before = (parse(rest)['TRUSTED_PROXIES'] ?? '').split(',').map((entry) => entry.trim());
  const proxies = [...new Set([...before, ...trustedProxies])].filter((entry) => entry !== '');
  const settings = [
    `TRUSTED_PROXIES=${proxies.join(',')}`,
    `PB_PUBLIC_URL=${publicUrl}`,
    `PUBLIC_URL=${siteUrl}`,
  ];
  return `${rest.replace(/\n*$/, '\n')}\n${[BEGIN, ...settings, END].join('\n')}\n`;
}

/** The text of an env file without these settings. */
export function withoutEdgeSettings(text: string): string {
  const lines = text.split('\n');
  const begin = lines.indexOf(BEGIN);
  const end = lines.indexOf(END, begin);
  if (begin === -1 || end === -1) return text;
  const before = lines.slice(0, begin).join('\n').replace(/\n*$/, '\n');
  return `${before}${lines.slice(end + 1).join('\n')}`;
}
