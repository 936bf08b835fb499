import { useStdout } from 'ink';
import { useLayoutEffect, useRef } from 'react';
import { type Frame, repaint } from './repaint.ts';

/**
 * Draws a frame, and writes only the rows that changed. Does not use Ink's `Text`, which parses every character of each
 * frame: that takes 13 ms of CPU time for 160×50, while a key press should take at most 16 ms.
 */
export function Screen({ frame, onDrawn }: { frame: Frame; onDrawn: () => void }) {
  const { stdout } = useStdout();
  const shown = useRef<Frame | null>(null);
  useLayoutEffect(() => {
    const changes = repaint(shown.current, frame);
    shown.current = frame;
    if (changes !== '') stdout.write(changes);
    onDrawn();
  });
  return null;
}
