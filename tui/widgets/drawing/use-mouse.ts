import { useStdout } from 'ink';
import { useLayoutEffect } from 'react';
import { MOUSE_OFF, MOUSE_ON } from '../../keys/mouse.ts';

/** Asks the terminal for reports of the mouse, and stops them before the terminal is given back. */
export function useMouse(wanted: boolean): void {
  const { stdout } = useStdout();
  useLayoutEffect(() => {
    if (!wanted) return;
    stdout.write(MOUSE_ON);
    return () => void stdout.write(MOUSE_OFF);
  }, [stdout, wanted]);
}
