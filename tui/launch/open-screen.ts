import { render } from 'ink';
import { createElement } from 'react';
import { App } from '../app.tsx';
import type { Console } from '../screens/console.ts';

/** Takes the terminal over until it is unmounted; what is shown may change meanwhile. */
export function openScreen(console: Console) {
  const ink = render(frame(console), {
    alternateScreen: true,
    exitOnCtrlC: false,
    // A terminal is a terminal, whatever the environment says about continuous integration.
    interactive: true,
  });
  return {
    show: (other: Console) => ink.rerender(frame(other)),
    unmount: () => ink.unmount(),
    ended: ink.waitUntilExit(),
  };
}

function frame(console: Console) {
  return createElement(App, { console });
}
