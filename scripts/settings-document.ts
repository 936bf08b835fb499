import { SETTING_GROUPS, type Setting } from '../daemon/config/sources/setting.ts';
import { SETTINGS, type Variable } from '../daemon/config/sources/variables.ts';
import { markdownTable } from './markdown.ts';

const WIDTH = 110;
const NAMES = Object.keys(SETTINGS) as Variable[];

/** The whole of `docs/settings.md`. */
export function settingsDocument(): string {
  return [
    '# Settings',
    '<!-- written by `npm run docs:settings` from daemon/config/sources/variables.ts -->',
    ABOUT,
    ...groups().flatMap(([title, names]) => [`## ${title}`, table(names)]),
    VARIABLES_OF_COMMANDS,
  ]
    .join('\n\n')
    .concat('\n');
}

/** The whole of `.env.sample`. */
export function envSample(): string {
  return [
    SAMPLE_HEAD,
    ...groups().map(([title, names]) => [`# ---- ${title}`, '', ...names.flatMap(sampleLines)].join('\n')),
  ]
    .join('\n\n')
    .concat('\n');
}

const ABOUT = `Every setting is an environment variable. [.env.sample](../.env.sample) has the same list as a file to copy.

**Where values come from**, the strongest first:

1. The command line of \`fathomd serve\`: each setting that is no secret is an option, such as \`--server-port 3000\` for
   \`SERVER_PORT\`. \`--data-dir\` is \`FATHOM_DATA_DIR\`, for all commands.
2. The environment.
3. Credentials of systemd: files in \`$CREDENTIALS_DIRECTORY\`, each named after its setting.
4. \`.env\` in the working directory.
5. \`.env.local\` in the working directory.
6. \`.env\` in \`FATHOM_DATA_DIR\`.

\`--env-file FILE\` or \`FATHOM_ENV_FILE\` replaces the last three. An empty value counts as not set.

**Nested names** work in the environment, in credentials and in env files: \`FATHOM__SERVER__PORT\` is \`SERVER_PORT\`, and
\`FATHOM__DATA__DIR\` is \`FATHOM_DATA_DIR\`. Write \`FATHOM__\`, then the name without \`FATHOM_\`, with two underscores between its
words. If one source sets both names, with different values, the daemon does not start.

**In an env file**, a \`#\` begins a comment. Write a value with a \`#\` in quotes: \`PB_ADMIN_PASSWORD='correct#horse'\`.
A file with secrets needs the mode 0600. Names are upper case, with underscores: \`sign_up_mode=closed\` sets nothing.
\`fathomd doctor\` and the start of the daemon warn about all three. A file that another user can change is
[refused](security.md#env-files).

**When a change applies.** A *reload* is \`systemctl reload fathomd\`, or SIGHUP to the daemon. A *restart* is
\`systemctl restart fathomd\`. Instances keep running through both. After a reload, the log names changed settings that
need a restart. An additional worker (\`fathomd worker\`) needs a restart for every change.

**Relative paths** start at the working directory. Lists are separated by commas.`;

export const VARIABLES_OF_COMMANDS = `## Variables of the commands and the console

These are not settings of the daemon.

| variable | what it does |
|---|---|
| \`FATHOM_ENV_FILE\` | Env file to read, like \`--env-file\`. |
| \`FATHOM_TOKEN\` | Token for \`--url\`: of a session, or an API key. |
| \`NO_COLOR\` | Print no colours. |
| \`HTTPS_PROXY\`, \`NODE_USE_ENV_PROXY=1\` | Proxy for downloads, for \`http.request\` and for \`--url\`. Fathom never uses it for loopback and its own addresses. |
| \`XDG_CONFIG_HOME\`, \`XDG_STATE_HOME\` | Where \`fathom-tui\` keeps its settings and saved files. |`;

const SAMPLE_HEAD = `# Settings of Fathom. Written by \`npm run docs:settings\`.
# Copy it to .env and set what differs from the default. 'fathomd init' then fills the empty secrets.
# 'npm start' needs neither. docs/settings.md explains where values come from.
# Each name also works as a nested one: FATHOM__SERVER__PORT is SERVER_PORT, FATHOM__DATA__DIR is FATHOM_DATA_DIR.
# A value with a # needs quotes: PB_ADMIN_PASSWORD='correct#horse'
# A file with secrets needs the mode 0600: chmod 600 .env`;

function groups(): [title: string, names: Variable[]][] {
  return Object.entries(SETTING_GROUPS).map(([group, title]) => [
    title,
    NAMES.filter((name) => SETTINGS[name].group === group),
  ]);
}

function table(names: readonly Variable[]): string {
  return markdownTable(
    ['setting', 'value', 'default', 'what it does', 'applied by'],
    names.map((name) => {
      const setting: Setting = SETTINGS[name];
      return [
        `\`${name}\``,
        valueOf(setting),
        setting.required ? 'none; required' : inCode(defaultOf(name, 'FATHOM_DATA_DIR')),
        setting.about,
        setting.reload ? 'reload' : 'restart',
      ];
    }),
  );
}

function valueOf(setting: Setting): string {
  switch (setting.type) {
    case 'key':
      return '32 bytes, base64';
    case 'secret':
      return setting.max === undefined
        ? `at least ${setting.min} bytes`
        : `${setting.min} to ${setting.max} bytes`;
    case 'number': {
      const range = `${grouped(setting.min)} to ${grouped(setting.max)}`;
      return setting.unit === undefined ? range : `${range} ${setting.unit}`;
    }
    case 'host':
      return 'IP address or host name';
    case 'choice':
      return setting.choices.map((choice) => `\`${choice}\``).join(', ');
    case 'path':
    case 'text':
    case 'list':
    case 'URL':
      return setting.type;
  }
}

function grouped(number: number): string {
  return number.toLocaleString('en-US');
}

function inCode(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}

/** @param dataDir what paths below FATHOM_DATA_DIR begin with */
function defaultOf(name: Variable, dataDir: string): string {
  const setting: Setting = SETTINGS[name];
  if (!('default' in setting) || setting.default === undefined) return '';
  if (setting.type !== 'path') return String(setting.default);
  return name === 'FATHOM_DATA_DIR' ? `./${setting.default}` : `${dataDir}/${setting.default}`;
}

function sampleLines(name: Variable): string[] {
  const setting: Setting = SETTINGS[name];
  const value = valueOf(setting).replaceAll('`', '');
  const words = ['text', 'path', 'URL'].includes(setting.type)
    ? setting.about
    : `${setting.about} (${value})`;
  const assignment = `${name}=${defaultOf(name, './var')}`;
  return [...wrapped(words).map((line) => `# ${line}`), setting.required ? assignment : `#${assignment}`];
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 1 < WIDTH)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
