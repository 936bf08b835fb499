/** The last samples of one measure, oldest first; a new array for every sample, at most `SAMPLES` long. */
export type History = readonly number[];

const SAMPLES = 240;

export function remember(history: History, sample: number): History {
  return history.length < SAMPLES ? [...history, sample] : [...history.slice(1 - SAMPLES), sample];
}
