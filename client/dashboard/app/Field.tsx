// Fields of forms, each with its label.

import type { ReactNode } from 'react';

interface Common {
  readonly id: string;
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** Takes the whole width of a form that has two columns. */
  readonly wide?: boolean;
}

interface TextProps extends Common {
  readonly placeholder?: string;
  readonly required?: boolean;
  readonly maxLength?: number;
  readonly onBlur?: () => void;
  readonly list?: readonly string[];
}

function Labelled({ id, label, wide, children }: {
  readonly id: string;
  readonly label: string;
  readonly wide: boolean | undefined;
  readonly children: ReactNode;
}) {
  return (
    <div className={wide === true ? 'field wide' : 'field'}>
      <label htmlFor={id}>{label}</label>
      {children}
    </div>
  );
}

/** A line of text, perhaps with suggestions. */
export function Text({
  id, label, value, onChange, wide, list, ...rest
}: TextProps) {
  return (
    <Labelled id={id} label={label} wide={wide}>
      <input id={id} value={value} autoComplete="off" {...rest}
        onChange={(event) => onChange(event.target.value)}
        {...list !== undefined && { list: `${id}-list` }} />
      {list !== undefined && (
        <datalist id={`${id}-list`}>
          {list.map((each) => <option key={each} value={each} />)}
        </datalist>
      )}
    </Labelled>
  );
}

/** One of several values; `options` may say them in other words. */
export function Choice({ id, label, value, onChange, wide, options }: Common & {
  readonly options: readonly string[] | Readonly<Record<string, string>>;
}) {
  const entries = Array.isArray(options)
    ? options.map((each: string) => [each, each] as const)
    : Object.entries(options as Record<string, string>);

  return (
    <Labelled id={id} label={label} wide={wide}>
      <select id={id} value={value}
        onChange={(event) => onChange(event.target.value)}>
        {entries.map(([each, text]) => (
          <option key={each} value={each}>{text}</option>
        ))}
      </select>
    </Labelled>
  );
}
