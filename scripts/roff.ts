/** What a manual page is made of: its name and section, and its text as Markdown. */
interface Manual {
  name: string;
  section: number;
  summary: string;
  synopsis: string;
  /** Its headings become sections, and the first column of its tables becomes terms. */
  markdown: string;
  seeAlso: string;
}

const WIDTH = 79;

/** A manual page, in the macros of man(7). */
export function manual({ name, section, summary, synopsis, markdown, seeAlso }: Manual): string {
  return [
    `.\\" Written by 'npm run docs:cli' from the commands themselves.`,
    `.TH ${name.toUpperCase()} ${section} "" Fathom`,
    // Options and codes are copied: no word is divided at the end of a line, and no space is stretched.
    '.nh',
    '.ad l',
    '.SH NAME',
    `${name} \\- ${filled(summary)}`,
    '.SH SYNOPSIS',
    filled(synopsis),
    '.SH DESCRIPTION',
    ...blocksOf(markdown).flatMap(blockLines),
    '.SH SEE ALSO',
    filled(seeAlso),
  ]
    .join('\n')
    .concat('\n');
}

function blocksOf(markdown: string): string[] {
  return markdown.split(/\n{2,}/).filter((block) => block.trim() !== '' && !/^(?:# |<!--)/.test(block));
}

function blockLines(block: string, index: number, blocks: readonly string[]): string[] {
  if (block.startsWith('## ')) return sectionLines(block.slice(3));
  if (block.startsWith('### ')) return [`.SS ${quoted(block.slice(4))}`];
  if (block.startsWith('|')) return tableLines(block);
  if (block.startsWith('- ')) return block.slice(2).split('\n- ').flatMap(itemLines);
  // A heading begins a paragraph of its own.
  const follows = index > 0 && !blocks[index - 1]?.startsWith('#');
  return [...(follows ? ['.PP'] : []), filled(block)];
}

/** `databases: Show databases` is a section with a sentence. */
function sectionLines(heading: string): string[] {
  const [title = '', about] = heading.split(': ');
  return [`.SH ${quoted(title.toUpperCase())}`, ...(about === undefined ? [] : [filled(`${about}.`)])];
}

function itemLines(item: string): string[] {
  return ['.IP \\(bu 2', filled(item)];
}

function tableLines(table: string): string[] {
  const [head = [], , ...rows] = table.split('\n').map(cellsOf);
  return rows.flatMap(([term = '', meaning = '', ...others]) => [
    '.TP',
    filled(term),
    filled(meaning),
    ...others.flatMap((cell, index) => {
      const name = head[index + 2] ?? '';
      return cell === '' ? [] : [filled(`${name.charAt(0).toUpperCase()}${name.slice(1)}: ${cell}.`)];
    }),
  ]);
}

function cellsOf(line: string): string[] {
  return line
    .slice(1, -1)
    .split(/(?<!\\)\|/)
    .map((cell) => cell.trim().replaceAll('\\|', '|'));
}

/** Lines of text. Each sentence begins a line, because roff decides how wide the space after it is. */
function filled(markdown: string): string {
  return markdown
    .replaceAll(/\s+/g, ' ')
    .trim()
    .split(/(?<=[.:!?]) (?=[A-Z*`])/)
    .flatMap((sentence) => wrapped(inline(sentence)))
    .map((line) => (/^[.']/.test(line) ? `\\&${line}` : line))
    .join('\n');
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 1 <= WIDTH)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function quoted(heading: string): string {
  return `"${inline(heading.replaceAll('`', '')).replaceAll('"', '\\(dq')}"`;
}

/** Code and strong text become bold, links their text. */
function inline(markdown: string): string {
  return markdown
    .replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(
      /[^\x20-\x7e]/gu,
      (sign) => `\\[u${sign.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}]`,
    )
    .replaceAll(/\*\*(.+?)\*\*/g, '\\fB$1\\fP')
    .replaceAll(/`(.+?)`/g, '\\fB$1\\fP');
}
