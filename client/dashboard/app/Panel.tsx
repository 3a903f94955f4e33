// A section of the page: a card with a heading.

import type { ReactNode } from 'react';

interface Props {
  readonly id: string;
  readonly title: string;
  /** Stands behind the title, such as a number. */
  readonly note?: ReactNode;
  /** Stands at the right of the title, such as buttons. */
  readonly tools?: ReactNode;
  readonly children: ReactNode;
}

/** A card that screen readers list as a region by its title. */
export function Panel({ id, title, note, tools, children }: Props) {
  return (
    <section className={`panel panel-${id}`} aria-labelledby={`${id}-title`}>
      <div className="panel-head">
        <h2>
          <span id={`${id}-title`}>{title}</span>
          {note !== undefined && <span className="note"> {note}</span>}
        </h2>
        {tools !== undefined && <div className="tools">{tools}</div>}
      </div>
      {children}
    </section>
  );
}
