import { type Instance, render } from 'ink';
import { createElement } from 'react';
import { App } from '../app.tsx';
import type { Console } from '../screens/console.ts';

/** Takes the terminal over until it is unmounted. */
export function openScreen(console: Console): Instance {
  return render(createElement(App, { console }), {
    alternateScreen: true,
    incrementalRendering: true,
    exitOnCtrlC: false,
    // A terminal is a terminal, whatever the environment says about continuous integration.
    interactive: true,
    maxFps: 60,
  });
}
