import { visibleTop } from '../store/cursor.ts';
import type { Span } from '../widgets/line.ts';
import { fit } from '../widgets/text.ts';
import { DialogFrame, type DialogProps } from './DialogFrame.tsx';
import type { PaletteEntry } from './palette.ts';

const WIDTH = 56;

export function PaletteDialog({
  entries,
  choice,
  ...frame
}: DialogProps & { entries: readonly PaletteEntry[]; choice: number }) {
  const width = Math.min(WIDTH, frame.columns - 8);
  const room = Math.max(1, Math.min(14, frame.rows - 3));
  const top = visibleTop(0, choice, room, entries.length);
  const lines = entries.slice(top, top + room).map(({ title, key }, index): Span[] => {
    const chosen = top + index === choice;
    const text = fit(title, width - 6);
    if (chosen) return [['chosen', fit(`▸ ${text}${fit(key, 4, 'right')}`, width)]];
    return [
      ['plain', `  ${text}`],
      ['accent', fit(key, 4, 'right')],
    ];
  });
  if (lines.length === 0) lines.push([['muted', fit('Nothing has this name.', width)]]);
  return <DialogFrame {...frame} title="Go to, or do" lines={lines} />;
}
