import { render } from 'ink';
import { createElement } from 'react';
import { App } from '../app.tsx';
import type { Console } from '../screens/console.ts';
import { handleMouse } from '../screens/input/handle-mouse.ts';
import { TerminalInput } from './terminal-input.ts';

/** Takes the terminal over until it is unmounted; what is shown may change meanwhile. */
export function openScreen(console: Console) {
  let shown = console;
  const input = new TerminalInput(process.stdin, (event) => {
    const { columns, rows } = process.stdout;
    handleMouse(shown, event, { columns, rows });
  });
  const ink = render(frame(console), {
    // What Ink takes for a terminal, it asks for no more than this has.
    stdin: input as unknown as NodeJS.ReadStream,
    alternateScreen: true,
    exitOnCtrlC: false,
    // A terminal is a terminal, whatever the environment says about continuous integration.
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
