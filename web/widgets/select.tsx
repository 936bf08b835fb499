import { useId } from 'react';

interface SelectProps {
  label: string;
  name: string;
  options: readonly { value: string; text: string }[];
  hint?: string | undefined;
  defaultValue?: string;
}

/** A labelled choice of a `Form`. */
export function Select({ label, name, options, hint, defaultValue }: SelectProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      <select
        id={id}
        name={name}
        defaultValue={defaultValue}
        aria-describedby={hint ? `${id}-hint` : undefined}
      >
        {options.map(({ value, text }) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}
