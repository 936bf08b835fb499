const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/**
 * The last `width` samples as bars; null is a gap. The scale ends at the largest sample or at `floor`, so that small values stay low.
 * Padded on the left, so that the newest sample is at the right edge.
 */
export function sparkline(samples: readonly (number | null)[], width: number, floor: number): string {
  const shown = samples.slice(-width);
  const top = Math.max(floor, ...shown.map((sample) => sample ?? 0));
  const bars = shown.map((sample) => {
    if (sample === null) return ' ';
    const step = Math.floor((Math.max(0, sample) / top) * BARS.length);
    return BARS[Math.min(step, BARS.length - 1)] ?? '';
  });
  return ' '.repeat(Math.max(0, width - shown.length)) + bars.join('');
}
