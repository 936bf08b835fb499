/**
 * Caches what a function returns for a value as long as this value exists. For states and lists that are never changed in
 * place: a frame uses what is derived from them several times, and a key press does not change them.
 */
export function cached<Input extends object, Output>(
  derive: (input: Input) => Output,
): (input: Input) => Output {
  const known = new WeakMap<Input, { output: Output }>();
  return (input) => {
    const entry = known.get(input) ?? { output: derive(input) };
    known.set(input, entry);
    return entry.output;
  };
}
