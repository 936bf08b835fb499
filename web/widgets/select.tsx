import { useId } from 'react';

interface SelectProps {
  label: string;
  name: string;
  options: readonly { value: string; text: string }[];
}

/** A labelled choice of a `Form`. */
export function Select({ label, name, options }: SelectProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} name={name}>
        {options.map(({ value, text }) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}
