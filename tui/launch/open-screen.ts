import { render } from 'ink';
import { createElement } from 'react';
import { App } from '../app.tsx';
import type { Console } from '../screens/console.ts';
import { handleMouse } from '../screens/input/handle-mouse.ts';
import { TerminalInput } from './terminal-input.ts';

/** Takes the terminal over until it is unmounted. `show` replaces the console. */
export function openScreen(console: Console) {
  let shown = console;
  const input = new TerminalInput(process.stdin, (event) => {
    const { columns, rows } = process.stdout;
    handleMouse(shown, event, { columns, rows });
  });
  const ink = render(frame(console), {
    // Ink uses only the properties that this input has.
    stdin: input as unknown as NodeJS.ReadStream,
    alternateScreen: true,
    exitOnCtrlC: false,
    // Ink would disable interactive mode if the environment looks like continuous integration.
    interactive: true,
  });
  return {
    show(other: Console) {
      shown = other;
      ink.rerender(frame(other));
    },
    unmount: () => ink.unmount(),
    ended: ink.waitUntilExit(),
  };
}

function frame(console: Console) {
  return createElement(App, { console });
}
