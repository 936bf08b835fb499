import { helpLines, helpRows } from '../dialogs/help-lines.ts';
import { type PaletteEntry, paletteEntries } from '../dialogs/palette.ts';
import { commandOf } from '../keymap.ts';
import { editText, type Prompt } from '../store/ui-state.ts';
import { actionsOff } from '../widgets/link-words.ts';
import { bodySize, type Console, placeOf, type Size } from './console.ts';
import { open, runCommand } from './run-command.ts';
import { findMatch } from './run-log.ts';
import { say } from './say.ts';

/** One key press, from the keyboard to its effect. `size` is the terminal's. */
export function runPress(console: Console, press: string, size: Size): void {
  const { ui } = console;
  if (ui.get().notice !== null) ui.update((state) => ({ ...state, notice: null }));
  const { dialog, prompt } = ui.get();
  if (dialog !== null) pressInDialog(console, press, size);
  else if (prompt !== null) pressInPrompt(console, prompt, press, size);
  else {
    const command = commandOf(placeOf(ui.get(), console.fleet.store.get()), press);
    if (command !== null) runCommand(console, command, bodySize(size));
  }
  followOpenLog(console);
}

/** Pasted text goes into a prompt, and nowhere else: a paste must never be taken for commands. */
export function runPaste(console: Console, text: string): void {
  const { prompt } = console.ui.get();
  if (prompt === null) return say(console, 'Pasted text is ignored here: open a prompt with / or : first.');
  setPrompt(console, {
    ...prompt,
    text: prompt.text + text.replace(/\p{Control}+/gu, ' ').trim(),
    choice: 0,
  });
}

/** The log that is read is the one that is looked at. */
function followOpenLog({ fleet, ui }: Console): void {
  const { screen, tab, instance } = ui.get();
  if (screen === 'instance' && tab === 'logs' && instance !== null) fleet.openLog(instance);
  else fleet.closeLog();
}

function pressInDialog(console: Console, press: string, size: Size): void {
  const { ui, fleet } = console;
  const state = ui.get();
  const close = () => ui.set({ ...state, dialog: null });
  switch (state.dialog?.kind) {
    case 'help': {
      const place = placeOf({ ...state, dialog: null }, fleet.store.get());
      const most = Math.max(0, helpLines(place).length - helpRows(bodySize(size).rows));
      const step = SCROLL[press];
      if (step === undefined) return close();
      const top = Math.min(most, Math.max(0, state.dialog.top + step));
      return ui.set({ ...state, dialog: { kind: 'help', top } });
    }
    case 'confirm': {
      const { verb, names } = state.dialog;
      const command = commandOf('confirm', press);
      if (command === null) return;
      ui.set({ ...state, dialog: null, marks: command === 'confirm.yes' ? new Set() : state.marks });
      if (command !== 'confirm.yes') return;
      // The link may have gone while the question stood.
      const { link } = fleet.store.get();
      const off = actionsOff(link, console.readOnly);
      if (off !== null) return say(console, off);
      return void fleet.actions.run(verb, names);
    }
    case 'quit':
      switch (commandOf('quit', press)) {
        case 'quit.keep':
        case 'interrupt':
          return console.leave('keep');
        case 'quit.stop':
          return console.leave('stop');
        case 'quit.cancel':
          return close();
        default:
          return;
      }
    case undefined:
  }
}

const SCROLL: Readonly<Record<string, number>> = {
  up: -1,
  k: -1,
  down: 1,
  j: 1,
  pageup: -10,
  pagedown: 10,
  home: -1000,
  g: -1000,
  end: 1000,
  G: 1000,
};

function pressInPrompt(console: Console, prompt: Prompt, press: string, size: Size): void {
  switch (press) {
    case 'esc':
    case 'ctrl+c':
      return cancel(console, prompt);
    case 'enter':
      return accept(console, prompt, size);
    case 'up':
    case 'down':
      return choose(console, prompt, press === 'up' ? -1 : 1);
    default: {
      // Backspace in an empty prompt leaves it, as in vi.
      if (press === 'backspace' && prompt.text === '') return cancel(console, prompt);
      const text = editText(prompt.text, press);
      if (text !== null) setPrompt(console, { ...prompt, text, choice: 0 });
    }
  }
}

/** Filter and search take effect while they are typed. */
function setPrompt({ ui }: Console, prompt: Prompt): void {
  const state = { ...ui.get(), prompt };
  switch (prompt.kind) {
    case 'filter':
      return ui.set({ ...state, filter: prompt.text.trim() });
    case 'search':
      return ui.set({ ...state, log: { ...state.log, search: prompt.text, match: null } });
    case 'palette':
      return ui.set(state);
  }
}

function cancel(console: Console, prompt: Prompt): void {
  setPrompt(console, { ...prompt, text: prompt.before });
  console.ui.update((state) => ({ ...state, prompt: null }));
}

function accept(console: Console, prompt: Prompt, size: Size): void {
  console.ui.update((state) => ({ ...state, prompt: null }));
  if (prompt.kind === 'search' && prompt.text !== '') findMatch(console, 'older', bodySize(size));
  if (prompt.kind !== 'palette') return;
  const entry = paletteEntries(console.fleet.store.get(), prompt.text)[prompt.choice];
  if (entry !== undefined) runEntry(console, entry, size);
}

function runEntry(console: Console, { run }: PaletteEntry, size: Size): void {
  if (run.kind === 'instance') open(console, run.name, 'summary');
  else runCommand(console, run.command, bodySize(size));
}

function choose(console: Console, prompt: Prompt, by: number): void {
  if (prompt.kind !== 'palette') return;
  const count = paletteEntries(console.fleet.store.get(), prompt.text).length;
  const choice = Math.min(Math.max(0, prompt.choice + by), Math.max(0, count - 1));
  setPrompt(console, { ...prompt, choice });
}
