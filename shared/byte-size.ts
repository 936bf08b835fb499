const UNITS = ['B', 'K', 'M', 'G', 'T', 'P'] as const;

/** A size in binary units, at most five characters wide, for tables: `912 K`, `43 M`, `3.2 G`. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit > 1 && value < 9.95 ? value.toFixed(1) : String(Math.round(value));
  return `${digits} ${UNITS[unit] ?? ''}`;
}

/** A size in binary units for sentences: `0 B`, `912 KiB`, `43 MiB`. */
export function byteSize(count: number): string {
  const short = bytes(count);
  return short.endsWith(' B') ? short : `${short}iB`;
}
