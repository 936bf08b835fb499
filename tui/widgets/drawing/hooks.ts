import { useApp, useStdout } from 'ink';
import { useEffect, useLayoutEffect, useSyncExternalStore } from 'react';
import { MOUSE_OFF, MOUSE_ON } from '../../keys/mouse.ts';

/** The store's value, and a new frame when it changes; the only place where the store and React meet. */
export function useObservable<T>(store: {
  readonly get: () => T;
  readonly subscribe: (listener: () => void) => () => void;
}): T {
  return useSyncExternalStore(store.subscribe, store.get);
}

/** Asks the terminal for reports of the mouse, and stops them before the terminal is given back. */
export function useMouse(wanted: boolean): void {
  const { stdout } = useStdout();
  useLayoutEffect(() => {
    if (!wanted) return;
    stdout.write(MOUSE_ON);
    return () => void stdout.write(MOUSE_OFF);
  }, [stdout, wanted]);
}

/**
 * Gives the terminal back while the process is stopped (SIGTSTP), and takes it again when it goes on, also after a SIGSTOP,
 * of which nobody is told before: the shell has left its own modes and words on it. `drawAnew` is called then;
 * always give the same one.
 */
export function useSuspend(mouse: boolean, redraw: () => void): void {
  const { suspendTerminal } = useApp();
  const { stdout } = useStdout();
  useEffect(() => {
    const handOver = async (meanwhile: () => void) => {
      // Of the mouse Ink knows nothing.
      if (mouse) stdout.write(MOUSE_OFF);
      await suspendTerminal(meanwhile);
      if (mouse) stdout.write(MOUSE_ON);
      // Nobody tells a process in the background of another size: Node looks again, as after a resize.
      process.kill(process.pid, 'SIGWINCH');
      redraw();
    };
    // Returns when the process goes on.
    const stop = () => void handOver(() => process.kill(process.pid, 'SIGSTOP'));
    const goOn = () => void handOver(() => {});
    process.on('SIGTSTP', stop);
    process.on('SIGCONT', goOn);
    return () => {
      process.off('SIGTSTP', stop);
      process.off('SIGCONT', goOn);
    };
  }, [redraw, mouse, stdout, suspendTerminal]);
}
