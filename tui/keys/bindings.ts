import { TOP_SCREENS } from '../store/view/location.ts';
import type { Command } from './commands.ts';

/**
 * The one table of keys: input, the hints in the footer, the help, the palette and `docs/console.md` are all made from
 * it. Of the groups that are in force together (`places.ts`) no two may share a key; a test holds that.
 */
export type KeyGroup = keyof typeof GROUP_TITLES;

export const GROUP_TITLES = {
  list: 'Lists',
  filter: 'What a list shows',
  problems: 'Problems',
  marks: 'Marks',
  sort: 'Order',
  subject: 'The chosen instance',
  deletion: 'The chosen database',
  actions: 'Instances: the marked ones, else the chosen one',
  tasks: 'Tasks: the marked ones, else the chosen one',
  failures: 'All tasks with one error',
  queue: 'Queue',
  task: 'The chosen task',
  records: 'Records',
  thing: 'What is chosen',
  users: 'The chosen user',
  keys: 'The chosen API key',
  sessions: 'The chosen session',
  servers: 'Servers',
  tabs: 'Tabs',
  logs: 'Logs of several instances',
  log: 'Log',
  scroll: 'Scrolling',
  everywhere: 'Everywhere',
  confirm: 'Question',
  form: 'Form',
  copying: 'Copying',
  quit: 'Leaving',
} as const;

export interface Binding {
  command: Command;
  keys: readonly string[];
  group: KeyGroup;
  help: string;
  /** Shown in the footer, where there is room; the most useful come first in the table. */
  hint?: string;
  /** Its name in the palette; what only moves about is not in there. */
  menu?: string;
}

export const BINDINGS: readonly Binding[] = [
  { command: 'open', keys: ['enter'], group: 'list', help: 'open the chosen one', hint: 'open' },
  { command: 'filter', keys: ['/'], group: 'filter', help: 'filter; !word excludes', hint: 'filter' },
  ...group('problems', [
    [
      'problems.only',
      '!',
      'only instances with a problem, or all again',
      { hint: 'problems only', menu: 'only instances with a problem, or all again' },
    ],
  ]),
  ...group('actions', [
    ['start', 's', 'start', { hint: 'start', menu: 'start the marked instances, else the chosen one' }],
    [
      'stop',
      'x',
      'stop, after a question',
      { hint: 'stop', menu: 'stop the marked instances, else the chosen one' },
    ],
    [
      'restart',
      'r',
      'restart, after a question',
      { hint: 'restart', menu: 'restart the marked instances, else the chosen one' },
    ],
  ]),
  ...group('tasks', [
    [
      'task.retry',
      'r',
      'retry dead ones',
      { hint: 'retry', menu: 'retry the marked tasks, else the chosen one' },
    ],
    [
      'task.cancel',
      'x',
      'cancel, after a question',
      { hint: 'cancel', menu: 'cancel the marked tasks, else the chosen one' },
    ],
  ]),
  ...group('failures', [
    [
      'failures.retry',
      'r',
      'retry them all, after a question',
      { hint: 'retry all', menu: 'retry all tasks with this error' },
    ],
  ]),
  ...group('task', [
    [
      'task.instance',
      'i',
      'the instance of its user',
      { hint: 'instance', menu: 'the instance of the chosen task' },
    ],
    [
      'logs',
      'l',
      'the log of that instance, at the moment of the task',
      { hint: 'log', menu: 'the log at the moment of the chosen task' },
    ],
  ]),
  ...group('queue', [
    [
      'queue.pause',
      'z',
      'pause the queue, or resume it',
      { hint: 'pause', menu: 'pause or resume the queue' },
    ],
  ]),
  ...group('users', [
    ['user.role', 'e', 'change its role', { hint: 'role', menu: 'change the role of the chosen user' }],
    [
      'user.activity',
      'x',
      'deactivate it, or activate it again, after a question',
      { hint: 'deactivate', menu: 'deactivate the chosen user, or activate it again' },
    ],
    [
      'user.sign-out',
      'u',
      'sign it out everywhere, after a question',
      { hint: 'sign out', menu: 'sign the chosen user out everywhere' },
    ],
    ['user.instance', 'i', 'its instance', { hint: 'instance', menu: 'the instance of the chosen user' }],
  ]),
  ...group('keys', [
    ['key.revoke', 'x', 'revoke it, after a question', { hint: 'revoke', menu: 'revoke the chosen API key' }],
  ]),
  ...group('sessions', [
    ['session.end', 'x', 'end it, after a question', { hint: 'end', menu: 'end the chosen session' }],
  ]),
  ...group('servers', [
    ['server.add', 'a', 'add a server', { hint: 'add', menu: 'add a server' }],
    ['server.edit', 'e', 'change the chosen one', { hint: 'change', menu: 'change the chosen server' }],
    ['server.remove', 'D', 'remove the chosen one', { hint: 'remove', menu: 'remove the chosen server' }],
  ]),
  ...group('subject', [['logs', 'l', 'its log', { hint: 'logs', menu: 'logs of the chosen instance' }]]),
  ...group('deletion', [
    [
      'database.delete',
      'D',
      'delete it with all its data, after typing its name',
      { menu: 'delete the chosen database' },
    ],
  ]),
  ...group('marks', [
    ['mark', 'space', 'mark or unmark', { hint: 'mark' }],
    ['mark.all', '*', 'mark all that are shown, or none', { menu: 'mark all that are shown' }],
  ]),
  ...group('sort', [
    ['sort.next', 'o', 'sort by the next column', { hint: 'sort', menu: 'sort by the next column' }],
    ['sort.reverse', 'O', 'turn the order around'],
  ]),
  ...group('records', [
    ['records.next', '> .', 'the next page', { hint: 'next page' }],
    ['records.before', '< ,', 'the page before', { hint: 'page before' }],
  ]),
  ...group('thing', [
    [
      'describe',
      'd',
      'describe: all that is known, as JSON',
      { hint: 'describe', menu: 'describe: show it as JSON' },
    ],
  ]),
  ...group('tabs', [
    ['tab.next', 'tab right', 'the next tab', { hint: 'tab' }],
    ['tab.before', 'left', 'the tab before'],
  ]),
  ...group('logs', [
    ['log.choose', 'c', 'whose: all, the marked or the filtered instances', { hint: 'whose' }],
  ]),
  ...group('log', [
    ['log.follow', 'f', 'follow the end, or pause', { hint: 'follow' }],
    ['search', '/', 'search, from the newest line up', { hint: 'search' }],
    ['search.older', 'n', 'older match', { hint: 'older' }],
    ['search.newer', 'N', 'newer match'],
    ['log.level', 'v', 'everything, warnings and errors, or errors', { hint: 'level' }],
    ['log.wrap', 'w', 'wrap long lines, or cut them', { hint: 'wrap' }],
  ]),
  ...group('list', [
    ['down', 'down j', 'down'],
    ['up', 'up k', 'up'],
    ['page.down', 'pagedown ctrl+f', 'a page down'],
    ['page.up', 'pageup ctrl+b', 'a page up'],
    ['first', 'g home', 'the first'],
    ['last', 'G end', 'the last'],
  ]),
  ...group('scroll', [
    ['down', 'down j', 'a line down'],
    ['up', 'up k', 'a line up; a log stops following'],
    ['page.down', 'pagedown ctrl+f', 'a page down'],
    ['page.up', 'pageup ctrl+b', 'a page up'],
    ['first', 'g home', 'the beginning'],
    ['last', 'G end', 'the end; a log follows it'],
  ]),
  ...TOP_SCREENS.map(
    ({ id, key, title }): Binding => ({
      command: `screen.${id}`,
      keys: [key],
      group: 'everywhere',
      help: title,
      menu: title.toLowerCase(),
    }),
  ),
  ...group('everywhere', [
    ['palette', ':', 'go anywhere, do anything', { hint: 'menu' }],
    ['back', 'esc', 'back; clears a filter, marks or a message'],
    ['problem.next', 'p', 'the next problem, worst first', { hint: 'problem', menu: 'the next problem' }],
    ['problem.before', 'P', 'the problem before'],
    [
      'copy',
      'y',
      'copy from what is chosen: name, URL, reason, row, command …',
      { hint: 'copy', menu: 'copy from what is chosen' },
    ],
    [
      'save',
      'S',
      'save this screen, all of a list or a log, into a file of yours',
      { menu: 'save this screen into a file' },
    ],
    [
      'mouse',
      'm',
      'the mouse for the console, or for selecting text',
      { menu: 'the mouse for the console, or for selecting text' },
    ],
    ['history.back', '[', 'to what was looked at before'],
    ['history.forward', ']', 'and forward again'],
    [
      'refresh',
      'ctrl+r',
      'reconnect now, or read and draw everything again',
      { menu: 'reconnect now, or read again' },
    ],
    ['help', '?', 'this help', { hint: 'help', menu: 'help' }],
    ['leave', 'q', 'leave the console', { hint: 'leave', menu: 'quit: leave the console' }],
    ['interrupt', 'ctrl+c', 'leave the console'],
  ]),
  ...group('confirm', [
    ['confirm.yes', 'y', 'yes, do it', { hint: 'yes' }],
    ['confirm.no', 'n esc q', 'no', { hint: 'no' }],
    ['interrupt', 'ctrl+c', 'no'],
  ]),
  ...group('form', [
    ['form.send', 'enter', 'send it', { hint: 'send' }],
    ['form.next', 'tab down', 'the next line', { hint: 'next' }],
    ['form.before', 'up', 'the line before'],
    ['form.copy', 'ctrl+y', 'copy the command for fathomd that does the same, if there is one'],
    ['form.cancel', 'esc', 'leave it', { hint: 'cancel' }],
    ['interrupt', 'ctrl+c', 'leave it'],
  ]),
  ...group('copying', [
    ['copy.choose', 'enter y', 'copy the chosen one; each has a key of its own, too', { hint: 'copy' }],
    ['down', 'down tab', 'down'],
    ['up', 'up', 'up'],
    ['copy.cancel', 'esc q', 'copy nothing', { hint: 'cancel' }],
    ['interrupt', 'ctrl+c', 'copy nothing'],
  ]),
  ...group('quit', [
    ['quit.keep', 'k enter', 'leave, keep it running', { hint: 'keep' }],
    ['quit.stop', 's', 'leave and stop it', { hint: 'stop' }],
    ['quit.cancel', 'esc n', 'stay here', { hint: 'stay' }],
    ['interrupt', 'ctrl+c', 'leave, keep it running'],
  ]),
];

type Row = readonly [command: Command, keys: string, help: string, more?: Pick<Binding, 'hint' | 'menu'>];

/** Rows of one group; several keys of a row are set apart by a space. */
function group(name: KeyGroup, rows: readonly Row[]): Binding[] {
  return rows.map(([command, keys, help, more]) => ({
    command,
    keys: keys.split(' '),
    group: name,
    help,
    ...more,
  }));
}
