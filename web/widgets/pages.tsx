interface PagesProps {
  page: number;
  last: number;
  /** The address of a page. */
  to: (page: number) => string;
}

/** Links to the pages before and after. */
export function Pages({ page, last, to }: PagesProps) {
  if (last === 1 && page === 1) return null;
  return (
    <nav aria-label="Pages" className="pages">
      <ul>
        {page > 1 && (
          <li>
            <a href={to(Math.min(page - 1, last))}>Previous page</a>
          </li>
        )}
        <li className="hint">
          Page {page.toLocaleString()} of {last.toLocaleString()}
        </li>
        {page < last && (
          <li>
            <a href={to(page + 1)}>Next page</a>
          </li>
        )}
      </ul>
    </nav>
  );
}

/** A part of an address, which may be typed by hand. */
export function decodedPart(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @returns the number of a page in an address; null if it is none */
export function pageNumberOf(part = '1'): number | null {
  return /^[1-9]\d{0,8}$/.test(part) ? Number(part) : null;
}
