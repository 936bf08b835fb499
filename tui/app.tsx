import { useInput, usePaste, useWindowSize } from 'ink';
import { useCallback, useMemo } from 'react';
import { pressesOf } from './keys/presses.ts';
import { type Console, redraw } from './screens/console.ts';
import { frameOf } from './screens/frame/frame.ts';
import { handleInput, type Input } from './screens/input/handle-input.ts';
import { useMouse, useObservable, useSuspend } from './widgets/drawing/hooks.ts';
import { Screen } from './widgets/drawing/Screen.tsx';

/** Keys go in; whatever is known and looked at comes out as a frame. */
export function App({ console }: { console: Console }) {
  const size = useWindowSize();
  const read = useMemo(() => gatherReads<Input>(), []);
  const run = (inputs: readonly Input[]) => handleInput(console, inputs, size);
  useInput((input, key) => read(pressesOf(input, key), run));
  usePaste((paste) => read([{ paste }], run));
  const ui = useObservable(console.ui);
  useMouse(ui.mouse);
  useSuspend(
    ui.mouse,
    useCallback(() => redraw(console), [console]),
  );
  const state = {
    fleet: useObservable(console.fleet.store),
    ui,
    servers: useObservable(console.servers.state),
    rows: console.rows,
  };
  return (
    <Screen frame={frameOf(console, state, size)} onDrawn={() => console.answers.drawn(state.ui.dialog)} />
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
