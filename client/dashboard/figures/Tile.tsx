// One figure: its name, its value now, and how it came to that.

import type { ReactNode } from 'react';

interface Props {
  readonly id: string;
  readonly title: string;
  readonly value: string;
  readonly unit?: string;
  readonly children: ReactNode;
}

/** A tile of the strip of figures. */
export function Tile({ id, title, value, unit, children }: Props) {
  return (
    <div className="tile" id={`figure-${id}`}>
      <h3>{title}</h3>
      <p className="tile-value">
        <b>{value}</b>
        {unit !== undefined && <span> {unit}</span>}
      </p>
      {children}
    </div>
  );
}
