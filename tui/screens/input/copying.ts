import { homedir } from 'node:os';
import { stripVTControlCharacters } from 'node:util';
import { messageOf } from '../../../shared/errors.ts';
import { COPY_KEYS } from '../../keys/bindings.ts';
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

/** Larger than any terminal, so that no text is cut. */
const UNLIMITED = { columns: 400, rows: 10_000 };
const MAX_COPY_PREVIEW = 200;

/** Opens the copy dialog for the selected item. */
export function offerCopies(console: Console): void {
  const state = stateOf(console);
  const choices = [...chosenCopies(state), ...commandCopies(console, state), ...screenCopies(state)];
  if (choices.length === 0) return showNotice(console, 'This screen has nothing to copy.');
  console.ui.update((ui) => ({ ...ui, dialog: { kind: 'copy', choices, choice: 0 } }));
}

function chosenCopies(state: ConsoleState): CopyChoice[] {
  const screen = screenOf(state.ui);
  const name = screen.instance?.(state) ?? null;
  const instance = name === null ? undefined : state.fleet.instances.get(name);
  return screen.copies?.(state) ?? (instance === undefined ? [] : instanceCopies(instance, state.fleet.now));
}

function commandCopies({ launcher, targetArguments }: Console, state: ConsoleState): CopyChoice[] {
  const screen = screenOf(state.ui);
  const command = screen.command?.(state) ?? null;
  const name = screen.instance?.(state) ?? null;
  const instanceCommand = name === null ? null : `databases show ${name}`;
  const line = (one: string | null) => (one === null ? null : `${launcher} ${one} --json${targetArguments}`);
  return copyChoices(
    [COPY_KEYS.command, 'the command that shows this', line(command)],
    [
      COPY_KEYS.instanceCommand,
      'the command that shows the instance',
      instanceCommand === command ? null : line(instanceCommand),
    ],
  );
}

function screenCopies(state: ConsoleState): CopyChoice[] {
  return state.fleet.snapshot_at === null
    ? []
    : copyChoices([COPY_KEYS.screen, 'the whole screen', screenText(state)]);
}

/** The current screen as text: a list with all its rows, a log with all its lines. */
function screenText(state: ConsoleState): string {
  const screen = screenOf(state.ui);
  const text = screen.plain?.(state) ?? null;
  if (text !== null) return text;
  const theme = createThemes('none').live;
  const lines = screen.lines({ ...state, theme, size: UNLIMITED });
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

/** Copies a fathomd command to the clipboard. */
export function copyCommand(console: Console, command: string): void {
  void copyText(console, 'the command', `${console.launcher} ${command}${console.targetArguments}`);
}

/** Copies a text to the clipboard, or saves it to a file if there is no clipboard. */
async function copyText(console: Console, what: string, text: string): Promise<void> {
  try {
    if (await console.copy(text)) return showNotice(console, `Copied ${what}: ${previewText(text)}`);
    const path = await console.save(savedFileName('copied', console.fleet.store.get().now), text);
    showNotice(console, `No clipboard available: saved ${what} to ${shortPath(path)}`);
  } catch (error) {
    showNotice(console, messageOf(error));
  }
}

/** The path with `~` for the home directory, so that it fits into one line. */
function shortPath(path: string): string {
  const home = `${homedir()}/`;
  return path.startsWith(home) ? `~/${path.slice(home.length)}` : path;
}

function previewText(text: string): string {
  const lines = text.trimEnd().split('\n');
  return lines.length > 1 ? plural(lines.length, 'line') : sanitise(text.slice(0, MAX_COPY_PREVIEW));
}

/** Saves the current screen to a file and shows its path. */
export async function saveScreen(console: Console): Promise<void> {
  const state = stateOf(console);
  if (state.fleet.snapshot_at === null)
    return showNotice(console, 'Nothing to save: the console has no data yet.');
  const { at } = state.ui;
  const about = screenOf(state.ui).instance?.(state) ?? '';
  const place = at.screen === 'instance' ? `${about}-${at.tab}` : at.screen;
  try {
    const path = await console.save(savedFileName(place, state.fleet.now), screenText(state));
    showNotice(console, `Saved to ${shortPath(path)}`);
  } catch (error) {
    showNotice(console, messageOf(error));
  }
}
