import { type Endpoint, TAGS } from '../shared/api/endpoint.ts';
import { ENDPOINTS } from '../shared/api/resources.ts';

const BEGIN = '<!-- operations: written by `npm run docs:api` -->';
const END = '<!-- end of operations -->';

/** The document with its tables of operations replaced. @throws Error when it has no place for them */
export function withApiTables(document: string): string {
  const from = document.indexOf(BEGIN);
  const to = document.indexOf(END);
  if (from === -1 || to === -1) throw new Error(`docs/api.md needs the lines '${BEGIN}' and '${END}'`);
  const tables = Object.keys(TAGS).map(tableOf).join('\n\n');
  return `${document.slice(0, from + BEGIN.length)}\n\n${tables}\n\n${document.slice(to)}`;
}

function tableOf(tag: string): string {
  const rows = ENDPOINTS.filter((endpoint) => endpoint.tag === tag).map(rowOf);
  return [`### ${tag}`, '', '| operation | what it does | permission |', '|---|---|---|', ...rows].join('\n');
}

function rowOf({ method, path, summary, description, permission }: Endpoint): string {
  const words = [`${summary}.`, description].filter((one) => one !== undefined).join(' ');
  return `| ${method} \`${path}\` | ${words.replaceAll('|', '\\|')} | \`${permission}\` |`;
}
