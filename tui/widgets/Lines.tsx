import { Box, Text } from 'ink';
import { memo } from 'react';

/** One painted, padded row: a single `Text`, which costs Ink a third of a row made of cells. */
const Row = memo(function Row({ text }: { text: string }) {
  // An empty text has no height in Ink.
  return <Text wrap="truncate-end">{text === '' ? ' ' : text}</Text>;
});

/** Exactly `height` rows; longer ones are cut, missing ones are blank. */
export function Lines({ lines, height }: { lines: readonly string[]; height: number }) {
  const rows = Array.from({ length: height }, (_, index) => lines[index] ?? '');
  return (
    <Box flexDirection="column" height={height} flexShrink={0}>
      {rows.map((text, index) => (
        // Rows are places on the screen, not things: the index is their identity.
        // oxlint-disable-next-line react/no-array-index-key
        <Row key={index} text={text} />
      ))}
    </Box>
  );
}
