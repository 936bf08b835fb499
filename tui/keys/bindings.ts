import { TOP_SCREENS } from '../store/view/location.ts';
import type { Command } from './commands.ts';

/**
 * The table of all keys. Input, the hints in the footer, texts that name a key, the help, the palette and
 * `docs/console.md` read it. Groups that are active together (`places.ts`) may not share a key; a test checks this.
 */
export type KeyGroup = keyof typeof GROUP_TITLES;

export const GROUP_TITLES = {
  list: 'Lists',
  filter: 'Filter',
  problems: 'Problems',
  marks: 'Marks',
  sort: 'Sorting',
  subject: 'Selected instance',
  deletion: 'Selected database',
  trash: 'Deleted databases',
  undeletion: 'Selected deleted database',
  backups: 'Backups of the selected database',
  restores: 'Restores of the database',
  actions: 'Instances: all marked ones, or the selected one',
  tasks: 'Tasks: all marked ones, or the selected one',
  failures: 'Tasks with the same error',
  queue: 'Queue',
  task: 'Selected task',
  records: 'Records',
  thing: 'Selected item',
  users: 'Selected user',
  keys: 'Selected API key',
  sessions: 'Selected session',
  invitations: 'Selected invitation',
  servers: 'Servers',
  tabs: 'Tabs',
  logs: 'Logs of several instances',
  log: 'Log',
  scroll: 'Scrolling',
  everywhere: 'Everywhere',
  help: 'Help',
  prompt: 'Input line',
  editing: 'Text input',
  confirm: 'Confirmation',
  form: 'Form',
  choice: 'Field with options',
  copying: 'Copy dialog',
  quit: 'Quit dialog',
} as const;

export interface Binding {
  command: Command;
  keys: readonly string[];
  group: KeyGroup;
  help: string;
  /** Short text for the footer, if the key is shown there. The footer shows the first ones that fit. */
  hint?: string;
  /** Title in the palette. Commands that only move the cursor have none. */
  menu?: string;
}

export const BINDINGS: readonly Binding[] = [
  ...group('list', [['open', 'enter', 'open the selected row', { hint: 'open' }]]),
  ...group('filter', [['filter', '/', 'filter the rows; !word excludes a word', { hint: 'filter' }]]),
  ...group('problems', [
    [
      'problems.only',
      '!',
      'show only instances with a problem, or all',
      { hint: 'problems only', menu: 'show only instances with a problem, or all' },
    ],
  ]),
  ...group('actions', [
    ['start', 's', 'start', { hint: 'start', menu: 'start the marked instances or the selected one' }],
    [
      'stop',
      'x',
      'stop (asks first)',
      { hint: 'stop', menu: 'stop the marked instances or the selected one' },
    ],
    [
      'restart',
      'r',
      'restart (asks first)',
      { hint: 'restart', menu: 'restart the marked instances or the selected one' },
    ],
    [
      'sleep',
      'z',
      'put to sleep until the next request',
      { menu: 'put the marked instances or the selected one to sleep' },
    ],
    ['wake', 'Z', 'wake', { menu: 'wake the marked instances or the selected one' }],
  ]),
  ...group('tasks', [
    [
      'task.retry',
      'r',
      'retry dead tasks',
      { hint: 'retry', menu: 'retry the marked tasks or the selected one' },
    ],
    [
      'task.cancel',
      'x',
      'cancel (asks first)',
      { hint: 'cancel', menu: 'cancel the marked tasks or the selected one' },
    ],
  ]),
  ...group('failures', [
    [
      'failures.retry',
      'r',
      'retry all of them (asks first)',
      { hint: 'retry all', menu: 'retry all tasks with this error' },
    ],
  ]),
  ...group('task', [
    [
      'task.instance',
      'i',
      "open the instance of the task's user",
      { hint: 'instance', menu: 'open the instance of the selected task' },
    ],
    [
      'logs',
      'l',
      'open the log of that instance at the time of the task',
      { hint: 'log', menu: 'open the log at the time of the selected task' },
    ],
  ]),
  ...group('queue', [
    ['queue.pause', 'z', 'pause or resume the queue', { hint: 'pause', menu: 'pause or resume the queue' }],
  ]),
  ...group('users', [
    ['user.role', 'e', 'change the role', { hint: 'role', menu: 'change the role of the selected user' }],
    [
      'user.activity',
      'x',
      'deactivate or activate (asks first)',
      { hint: 'deactivate', menu: 'deactivate or activate the selected user' },
    ],
    [
      'user.sign-out',
      'u',
      'end all sessions (asks first)',
      { hint: 'sign out', menu: 'end all sessions of the selected user' },
    ],
    [
      'user.instance',
      'i',
      "open the user's instance",
      { hint: 'instance', menu: 'open the instance of the selected user' },
    ],
  ]),
  ...group('keys', [
    ['key.revoke', 'x', 'revoke (asks first)', { hint: 'revoke', menu: 'revoke the selected API key' }],
  ]),
  ...group('sessions', [
    ['session.end', 'x', 'end (asks first)', { hint: 'end', menu: 'end the selected session' }],
  ]),
  ...group('invitations', [
    [
      'invitation.revoke',
      'x',
      'revoke (asks first)',
      { hint: 'revoke', menu: 'revoke the selected invitation' },
    ],
  ]),
  ...group('servers', [
    ['server.add', 'a', 'add a server', { hint: 'add', menu: 'add a server' }],
    [
      'server.edit',
      'e',
      'change the selected server',
      { hint: 'change', menu: 'change the selected server' },
    ],
    [
      'server.remove',
      'D',
      'remove the selected server',
      { hint: 'remove', menu: 'remove the selected server' },
    ],
  ]),
  ...group('subject', [
    ['logs', 'l', 'open its log', { hint: 'logs', menu: 'open the log of the selected instance' }],
  ]),
  ...group('deletion', [
    [
      'database.delete',
      'D',
      'move it to the trash (asks for its name)',
      { menu: 'delete the selected database' },
    ],
  ]),
  ...group('trash', [
    [
      'databases.deleted',
      't',
      'show the deleted databases, or the others',
      { hint: 'deleted', menu: 'show the deleted databases, or the others' },
    ],
  ]),
  ...group('undeletion', [
    [
      'database.undelete',
      'u',
      'bring it back (asks first)',
      { hint: 'undelete', menu: 'undelete the selected database' },
    ],
  ]),
  ...group('backups', [
    ['backup.create', 'b', 'back it up now', { hint: 'back up', menu: 'back up the selected database now' }],
    [
      'backup.drill',
      'v',
      'prove its last backup: restore it beside the database and test it',
      { hint: 'prove', menu: 'prove the last backup of the selected database' },
    ],
  ]),
  ...group('restores', [
    [
      'backup.restore',
      'R',
      'replace the data of the database by the selected backup (asks for its name)',
      { hint: 'restore', menu: 'restore the selected backup' },
    ],
    [
      'backup.restoreTime',
      'T',
      'replace the data of the database by that of a time (asks for the time, and for its name)',
      { menu: 'restore the database to a time of its replica' },
    ],
  ]),
  ...group('marks', [
    ['mark', 'space', 'mark or unmark the selected row', { hint: 'mark' }],
    ['mark.all', '*', 'mark all rows, or none', { menu: 'mark all rows, or none' }],
  ]),
  ...group('sort', [
    ['sort.next', 'o', 'sort by the next column', { hint: 'sort', menu: 'sort by the next column' }],
    ['sort.reverse', 'O', 'reverse the order'],
  ]),
  ...group('records', [
    ['records.next', '> .', 'next page', { hint: 'next page' }],
    ['records.previous', '< ,', 'previous page', { hint: 'previous page' }],
  ]),
  ...group('thing', [
    ['describe', 'd', 'show all its fields as JSON', { hint: 'describe', menu: 'describe: show it as JSON' }],
  ]),
  ...group('tabs', [
    ['tab.next', 'tab right', 'next tab', { hint: 'tab' }],
    ['tab.previous', 'left', 'previous tab'],
  ]),
  ...group('logs', [
    ['log.choose', 'c', 'switch between all, the marked and the filtered instances', { hint: 'instances' }],
  ]),
  ...group('log', [
    ['log.follow', 'f', 'follow the end, or pause', { hint: 'follow' }],
    ['search', '/', 'search upwards from the newest line', { hint: 'search' }],
    ['search.older', 'n', 'go to the next older match', { hint: 'older' }],
    ['search.newer', 'N', 'go to the next newer match'],
    ['log.level', 'v', 'show all lines, warnings and errors, or only errors', { hint: 'level' }],
    ['log.wrap', 'w', 'wrap or cut long lines', { hint: 'wrap' }],
  ]),
  ...group('list', [
    ['down', 'down j', 'next row'],
    ['up', 'up k', 'previous row'],
    ['page.down', 'pagedown ctrl+f', 'next page'],
    ['page.up', 'pageup ctrl+b', 'previous page'],
    ['first', 'g home', 'first row'],
    ['last', 'G end', 'last row'],
  ]),
  ...group('scroll', [
    ['down', 'down j', 'one line down'],
    ['up', 'up k', 'one line up; a log stops following its end'],
    ['page.down', 'pagedown ctrl+f', 'one page down'],
    ['page.up', 'pageup ctrl+b', 'one page up'],
    ['first', 'g home', 'go to the start'],
    ['last', 'G end', 'go to the end; a log follows it'],
  ]),
  ...TOP_SCREENS.map(
    ({ id, title }, index): Binding => ({
      command: `screen.${id}`,
      keys: [String((index + 1) % 10)],
      group: 'everywhere',
      help: title,
      menu: title.toLowerCase(),
    }),
  ),
  ...group('everywhere', [
    ['palette', ':', 'open the palette: search all screens, instances and commands', { hint: 'menu' }],
    ['back', 'esc', 'go back; first clears a filter, marks or a message'],
    [
      'problem.next',
      'p',
      'go to the next problem, worst first',
      { hint: 'problem', menu: 'go to the next problem' },
    ],
    ['problem.previous', 'P', 'go to the previous problem'],
    [
      'copy',
      'y',
      'copy the name, URL, reason, row or command of the selected item',
      { hint: 'copy', menu: 'copy from the selected item' },
    ],
    ['save', 'S', 'save the complete screen, list or log to a file', { menu: 'save the screen to a file' }],
    [
      'mouse',
      'm',
      'switch the mouse between the console and selecting text',
      { menu: 'switch the mouse between the console and selecting text' },
    ],
    ['history.back', '[', 'go back in the history'],
    ['history.forward', ']', 'go forward in the history'],
    [
      'refresh',
      'ctrl+r',
      'reconnect, or load and draw everything again',
      { menu: 'reconnect, or load everything again' },
    ],
    ['help', '?', 'show this help', { hint: 'help', menu: 'help' }],
    ['leave', 'q', 'quit the console', { hint: 'quit', menu: 'quit the console' }],
    ['interrupt', 'ctrl+c', 'quit the console'],
  ]),
  ...group('help', [
    ['help.close', 'esc q', 'close; any other key also closes it'],
    ['interrupt', 'ctrl+c', 'close'],
  ]),
  ...group('prompt', [
    ['prompt.accept', 'enter', 'accept the text'],
    ['prompt.cancel', 'esc', 'cancel'],
    ['interrupt', 'ctrl+c', 'cancel'],
    ['up', 'up', 'previous entry of the palette'],
    ['down', 'down', 'next entry of the palette'],
  ]),
  ...group('editing', [
    ['text.backspace', 'backspace', 'delete the last character'],
    ['text.delete-word', 'ctrl+w', 'delete the last word'],
    ['text.clear', 'ctrl+u', 'delete the whole text'],
  ]),
  ...group('confirm', [
    ['confirm.yes', 'y', 'yes', { hint: 'yes' }],
    ['confirm.no', 'n esc q', 'no', { hint: 'no' }],
    ['interrupt', 'ctrl+c', 'no'],
  ]),
  ...group('form', [
    ['form.send', 'enter', 'submit the form', { hint: 'submit' }],
    ['form.next', 'tab down', 'next field', { hint: 'next' }],
    ['form.previous', 'up', 'previous field'],
    ['form.copy', 'ctrl+y', 'copy the fathomd command that does the same, if there is one'],
    ['form.cancel', 'esc', 'cancel', { hint: 'cancel' }],
    ['interrupt', 'ctrl+c', 'cancel'],
  ]),
  ...group('choice', [
    ['choice.next', 'space right', 'next option'],
    ['choice.previous', 'left', 'previous option'],
  ]),
  ...group('copying', [
    [
      'copy.choose',
      'enter y',
      'copy the selected entry; each entry also has a key of its own',
      { hint: 'copy' },
    ],
    ['down', 'down tab', 'next entry'],
    ['up', 'up', 'previous entry'],
    ['copy.cancel', 'esc q', 'cancel', { hint: 'cancel' }],
    ['interrupt', 'ctrl+c', 'cancel'],
  ]),
  ...group('quit', [
    ['quit.keep', 'k enter', 'quit; the daemon keeps running', { hint: 'keep' }],
    ['quit.stop', 's', 'quit and stop the daemon', { hint: 'stop' }],
    ['quit.cancel', 'esc n', 'stay in the console', { hint: 'stay' }],
    ['interrupt', 'ctrl+c', 'quit; the daemon keeps running'],
  ]),
];

/** The keys of the entries in the copy dialog. One dialog never shows two entries with the same key. */
export const COPY_KEYS = {
  name: 'n',
  id: 'n',
  url: 'u',
  owner: 'o',
  reason: 'w',
  directory: 'p',
  row: 'r',
  json: 'v',
  error: 'e',
  detail: 'e',
  target: 't',
  actor: 'b',
  address: 'b',
  event: 'x',
  eventJson: 'z',
  collection: 'k',
  backup: 'k',
  line: 'l',
  database: 'd',
  keyPrefix: 'p',
  finding: 's',
  remedy: 'w',
  command: 'c',
  instanceCommand: 'i',
  screen: 'a',
} as const;

type Row = readonly [command: Command, keys: string, help: string, more?: Pick<Binding, 'hint' | 'menu'>];

/** Rows of one group. Several keys of a row are separated by spaces. */
function group(name: KeyGroup, rows: readonly Row[]): Binding[] {
  return rows.map(([command, keys, help, more]) => ({
    command,
    keys: keys.split(' '),
    group: name,
    help,
    ...more,
  }));
}
