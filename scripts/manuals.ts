import { CONSOLE_OPTIONS, CONSOLE_SYNOPSIS, CONSOLE_TEXTS } from '../tui/launch/options.ts';
import { cliDocument } from './cli-document.ts';
import { keyTables } from './key-tables.ts';
import { markdownTable } from './markdown.ts';
import { manual } from './roff.ts';
import { VARIABLES_OF_COMMANDS } from './settings-document.ts';

const DOCUMENTS =
  'The documents of Fathom are in `docs/` of its package, on an installed server in `/opt/fathom/current/docs`.';

/** `man/fathomd.8`: the text of docs/cli.md. */
export function daemonManual(): string {
  return manual({
    name: 'fathomd',
    section: 8,
    summary: 'run one PocketBase per user as one fleet',
    synopsis: '`fathomd` COMMAND [OPTIONS]',
    markdown: `${cliDocument()}\n\n${VARIABLES_OF_COMMANDS}`,
    seeAlso: `\`fathom-tui\`(1). ${DOCUMENTS}`,
  });
}

/** `man/fathom-tui.1`: the help of the console, and its keys. */
export function consoleManual(): string {
  const options = CONSOLE_OPTIONS.map(([option, meaning]) => [`\`${option}\``, meaning]);
  return manual({
    name: 'fathom-tui',
    section: 1,
    summary: 'console of a fleet of PocketBase databases',
    synopsis: CONSOLE_SYNOPSIS.replace('fathom-tui', '`fathom-tui`'),
    markdown: [
      CONSOLE_TEXTS.about,
      CONSOLE_TEXTS.signIn,
      '## Options',
      markdownTable(['option', 'meaning'], options),
      '## Keys',
      keyTables(),
      VARIABLES_OF_COMMANDS,
    ].join('\n\n'),
    seeAlso: `\`fathomd\`(8). ${DOCUMENTS}`,
  });
}
