import { useInput, usePaste, useWindowSize } from 'ink';
import { useCallback } from 'react';
import { pressesOf } from './keys/presses.ts';
import type { Console } from './screens/console.ts';
import { drawAnew } from './screens/draw-anew.ts';
import { frameOf } from './screens/frame.ts';
import { runPaste, runPress } from './screens/run-press.ts';
import { Screen } from './widgets/Screen.tsx';
import { useObservable } from './widgets/use-observable.ts';
import { useStops } from './widgets/use-stops.ts';

/** Keys go in; whatever is known and looked at comes out as a frame. */
export function App({ console }: { console: Console }) {
  const size = useWindowSize();
  useInput((input, key) => {
    for (const press of pressesOf(input, key)) runPress(console, press, size);
  });
  usePaste((text) => runPaste(console, text));
  useStops(useCallback(() => drawAnew(console), [console]));
  const look = {
    fleet: useObservable(console.fleet.store),
    ui: useObservable(console.ui),
    servers: useObservable(console.servers.state),
    rows: console.rows,
  };
  return <Screen frame={frameOf(console, look, size)} />;
}
