const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/**
 * The last `width` samples as bars. The scale ends at the largest sample or at `floor`, so that small values stay low.
 * Padded on the left, so that the newest sample is at the right edge.
 */
export function sparkline(samples: readonly number[], width: number, floor: number): string {
  const shown = samples.slice(-width);
  const top = Math.max(floor, ...shown);
  const bars = shown.map((sample) => {
    const step = Math.floor((Math.max(0, sample) / top) * BARS.length);
    return BARS[Math.min(step, BARS.length - 1)] ?? '';
  });
  return ' '.repeat(Math.max(0, width - shown.length)) + bars.join('');
}
