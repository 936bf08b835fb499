import { useRef, useState } from 'react';

/** Text with a button that copies it. @param what names it for screen readers */
export function Copyable({
  children,
  what,
  block = false,
}: {
  children: string;
  what: string;
  block?: boolean;
}) {
  const text = useRef<HTMLElement>(null);
  const [result, setResult] = useState('');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(children);
      setResult('Copied');
    } catch {
      // Without TLS, browsers have no clipboard. The reader copies the selection.
      if (text.current) getSelection()?.selectAllChildren(text.current);
      setResult('Selected: copy it now');
    }
  };
  return (
    <span className={block ? 'copyable block' : 'copyable'}>
      {block ? (
        <pre tabIndex={0} aria-label={what}>
          <code ref={text}>{children}</code>
        </pre>
      ) : (
        <code ref={text}>{children}</code>
      )}
      <button type="button" className="quiet" aria-label={`Copy the ${what}`} onClick={() => void copy()}>
        Copy
      </button>
      <span role="status">{result}</span>
    </span>
  );
}
