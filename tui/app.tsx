import { useInput, usePaste, useWindowSize } from 'ink';
import { useCallback, useMemo } from 'react';
import { pressesOf } from './keys/presses.ts';
import type { Console } from './screens/console.ts';
import { frameOf } from './screens/frame/frame.ts';
import { drawAnew } from './screens/frame/redraw.ts';
import { type Input, runRead } from './screens/presses/run-press.ts';
import { Screen } from './widgets/drawing/Screen.tsx';
import { useMouse } from './widgets/drawing/use-mouse.ts';
import { useObservable } from './widgets/drawing/use-observable.ts';
import { useStops } from './widgets/drawing/use-stops.ts';

/** Keys go in; whatever is known and looked at comes out as a frame. */
export function App({ console }: { console: Console }) {
  const size = useWindowSize();
  const read = useMemo(() => gatherReads<Input>(), []);
  const run = (inputs: readonly Input[]) => runRead(console, inputs, size);
  useInput((input, key) => read(pressesOf(input, key), run));
  usePaste((paste) => read([{ paste }], run));
  const ui = useObservable(console.ui);
  useMouse(ui.mouse);
  useStops(
    ui.mouse,
    useCallback(() => drawAnew(console), [console]),
  );
  const look = {
    fleet: useObservable(console.fleet.store),
    ui,
    servers: useObservable(console.servers.state),
    rows: console.rows,
  };
  return (
    <Screen frame={frameOf(console, look, size)} onDrawn={() => console.answers.drawn(look.ui.dialog)} />
  );
}

/** Puts together again what came in one read of the terminal: Ink takes it apart, and hands over all of it at once. */
function gatherReads<T>(): (inputs: readonly T[], run: (all: readonly T[]) => void) => void {
  let gathered: T[] | null = null;
  return (inputs, run) => {
    if (gathered !== null) return void gathered.push(...inputs);
    const all = [...inputs];
    gathered = all;
    queueMicrotask(() => {
      gathered = null;
      run(all);
    });
  };
}
