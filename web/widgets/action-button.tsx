import { type ReactNode, useState } from 'react';
import { Problem } from './problem.tsx';

interface ActionButtonProps {
  children: ReactNode;
  kind?: 'danger' | 'quiet';
  /** More than the text says, for screen readers. */
  label?: string;
  /** For a button that switches something on and off. */
  isPressed?: boolean;
  onClick: () => Promise<unknown>;
}

/** Runs an action once at a time, and shows why it failed. */
export function ActionButton({ children, kind, label, isPressed, onClick }: ActionButtonProps) {
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const run = async () => {
    if (isBusy) return;
    setBusy(true);
    setError(null);
    try {
      await onClick();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button
        type="button"
        className={kind}
        aria-label={label}
        aria-pressed={isPressed}
        aria-disabled={isBusy}
        onClick={() => void run()}
      >
        {children}
        {isBusy && '…'}
      </button>
      {error !== null && <Problem error={error} />}
    </>
  );
}
