import { homedir } from 'node:os';
import { stripVTControlCharacters } from 'node:util';
import { messageOf } from '../../../shared/errors.ts';
import { commandOf } from '../../keys/places.ts';
import { savedFileName } from '../../servers/saved-files.ts';
import { type CopyChoice, copyChoices } from '../../store/copy/copy-choice.ts';
import { plural } from '../../store/text/format.ts';
import { sanitise } from '../../store/text/sanitise.ts';
import type { Dialog } from '../../store/view/ui-state.ts';
import { createThemes } from '../../theme.ts';
import { type Console, type ConsoleState, showNotice, stateOf } from '../console.ts';
import { instanceCopies } from '../instance/instance-copies.ts';
import { screenOf } from '../screens.ts';

/** As wide and long as no terminal is, so that nothing is cut. */
const WHOLE = { columns: 400, rows: 10_000 };
const MAX_COPY_PREVIEW = 200;

/** Asks what to copy of what is chosen. */
export function offerCopies(console: Console): void {
  const state = stateOf(console);
  const choices = [...chosenCopies(state), ...commandCopies(console, state), ...screenCopies(state)];
  if (choices.length === 0) return showNotice(console, 'There is nothing to copy here.');
  console.ui.update((ui) => ({ ...ui, dialog: { kind: 'copy', choices, choice: 0 } }));
}

function chosenCopies(state: ConsoleState): CopyChoice[] {
  const screen = screenOf(state.ui);
  const name = screen.instance?.(state) ?? null;
  const instance = name === null ? undefined : state.fleet.instances.get(name);
  return screen.copies?.(state) ?? (instance === undefined ? [] : instanceCopies(instance, state.fleet.now));
}

function commandCopies({ targetArguments }: Console, state: ConsoleState): CopyChoice[] {
  const screen = screenOf(state.ui);
  const tells = screen.command?.(state) ?? null;
  const name = screen.instance?.(state) ?? null;
  const shows = name === null ? null : `databases show ${name}`;
  const line = (words: string | null) =>
    words === null ? null : `fathomd ${words} --json${targetArguments}`;
  return copyChoices(
    ['c', 'the command that tells this', line(tells)],
    ['i', 'the command for the instance', shows === tells ? null : line(shows)],
  );
}

function screenCopies(state: ConsoleState): CopyChoice[] {
  return state.fleet.snapshot_at === null ? [] : copyChoices(['a', 'all of this screen', screenText(state)]);
}

/** The present screen as text: a list with all of its rows, a log with all of its lines. */
function screenText(state: ConsoleState): string {
  const screen = screenOf(state.ui);
  const text = screen.plain?.(state) ?? null;
  if (text !== null) return text;
  const theme = createThemes('none').live;
  const lines = screen.lines({ ...state, theme, size: WHOLE });
  return `${lines
    .map((line) => stripVTControlCharacters(line).trimEnd())
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd()}\n`;
}

export function handleCopyKey(
  console: Console,
  dialog: Extract<Dialog, { kind: 'copy' }>,
  press: string,
): void {
  const { choices, choice } = dialog;
  const own = choices.find(({ key }) => key === press);
  const close = () => console.ui.update((state) => ({ ...state, dialog: null }));
  const choose = (index: number) =>
    console.ui.update((state) => ({
      ...state,
      dialog: { ...dialog, choice: (index + choices.length) % choices.length },
    }));
  if (own !== undefined) {
    close();
    return void copyText(console, own.what, own.text);
  }
  switch (commandOf('copy', press)) {
    case 'down':
      return choose(choice + 1);
    case 'up':
      return choose(choice - 1);
    case 'copy.choose': {
      close();
      const chosen = choices[choice];
      return chosen === undefined ? undefined : void copyText(console, chosen.what, chosen.text);
    }
    case 'copy.cancel':
    case 'interrupt':
      return close();
    default:
  }
}

/** Hands a command of fathomd to the clipboard. */
export function copyCommand(console: Console, command: string): void {
  void copyText(console, 'the command', `fathomd ${command}${console.targetArguments}`);
}

/** Into the clipboard, or into a file where there is none that would take it. */
async function copyText(console: Console, what: string, text: string): Promise<void> {
  try {
    if (await console.copy(text)) return showNotice(console, `Copied ${what}: ${shownText(text)}`);
    const path = await console.save(savedFileName('copied', console.fleet.store.get().now), text);
    showNotice(console, `No clipboard takes this here; ${what} is in ${shownPath(path)}`);
  } catch (error) {
    showNotice(console, messageOf(error));
  }
}

/** As short as a shell takes it: the line that says it is one. */
function shownPath(path: string): string {
  const home = `${homedir()}/`;
  return path.startsWith(home) ? `~/${path.slice(home.length)}` : path;
}

function shownText(text: string): string {
  const lines = text.trimEnd().split('\n');
  return lines.length > 1 ? plural(lines.length, 'line') : sanitise(text.slice(0, MAX_COPY_PREVIEW));
}

/** Keeps the present screen in a file, and says in which. */
export async function saveScreen(console: Console): Promise<void> {
  const state = stateOf(console);
  if (state.fleet.snapshot_at === null) return showNotice(console, 'There is nothing to save yet.');
  const { at } = state.ui;
  const about = screenOf(state.ui).instance?.(state) ?? '';
  const place = at.screen === 'instance' ? `${about}-${at.tab}` : at.screen;
  try {
    const path = await console.save(savedFileName(place, state.fleet.now), screenText(state));
    showNotice(console, `Saved: ${shownPath(path)}`);
  } catch (error) {
    showNotice(console, messageOf(error));
  }
}
