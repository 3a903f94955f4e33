// Which events are wanted: of one feature, of one type.

import { useState } from 'react';

import { Choice } from '../app/Field.js';
import type { Wanted } from './entries.js';

const TYPES = {
  '': 'All types',
  'task-status-changed': 'task-status-changed',
  'stakeholder-review': 'stakeholder-review',
};

interface Props {
  readonly wanted: Wanted;
  readonly want: (some: Partial<Wanted>) => void;
  readonly said: string;
  readonly failed: boolean;
}

/** Two fields; the server is asked when one of them is done with. */
export function Filter({ wanted, want, said, failed }: Props) {
  const [feature, setFeature] = useState(wanted.feature);

  function done(): void {
    want({ feature: feature.trim() });
  }

  return (
    <form id="filter" className="filter" role="search"
      aria-label="Filter of events"
      onSubmit={(event) => {
        event.preventDefault();
        done();
      }}>
      <div className="field">
        <label htmlFor="only">Only the feature</label>
        <input id="only" type="search" value={feature} placeholder="all"
          autoComplete="off" onBlur={done}
          onChange={(event) => setFeature(event.target.value)} />
      </div>
      <Choice id="only-type" label="Only the type" value={wanted.type}
        options={TYPES} onChange={(type) => want({ type })} />
      <output id="filtered" htmlFor="only only-type"
        data-tone={failed ? 'bad' : ''}>{said}</output>
    </form>
  );
}
