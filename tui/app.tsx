import { useInput, usePaste, useWindowSize } from 'ink';
import { useCallback, useMemo } from 'react';
import { pressesOf } from './keys/presses.ts';
import { type Console, redraw } from './screens/console.ts';
import { frameOf } from './screens/frame/frame.ts';
import { handleInput, type Input } from './screens/input/handle-input.ts';
import { useMouse, useObservable, useSuspend } from './widgets/drawing/hooks.ts';
import { Screen } from './widgets/drawing/Screen.tsx';

/** The React component of the console: passes keys to the console, and draws a frame for each change of its state. */
export function App({ console }: { console: Console }) {
  const size = useWindowSize();
  const collect = useMemo(() => collectReads<Input>(), []);
  const run = (inputs: readonly Input[]) => handleInput(console, inputs, size);
  useInput((input, key) => collect(pressesOf(input, key), run));
  usePaste((paste) => collect([{ paste }], run));
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

/** Collects all input of one read from the terminal. Ink splits it, but delivers all parts in the same tick. */
function collectReads<T>(): (inputs: readonly T[], run: (all: readonly T[]) => void) => void {
  let collected: T[] | null = null;
  return (inputs, run) => {
    if (collected !== null) return void collected.push(...inputs);
    const all = [...inputs];
    collected = all;
    queueMicrotask(() => {
      collected = null;
      run(all);
    });
  };
}
