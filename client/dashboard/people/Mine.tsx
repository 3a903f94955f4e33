// What you say of yourself: your status, and what you work on.

import { useState, type FormEvent } from 'react';

import type { PresenceResult } from '../../src/react/index.js';
import { Choice, Text } from '../app/Field.js';

const STATUSES = ['online', 'away', 'busy'] as const;

type Own = Parameters<PresenceResult['set']>[0];

/** Two fields; a change is told to everyone when it is done. */
export function Mine({ tell }: { readonly tell: (own: Own) => void }) {
  const [status, setStatus] = useState<string>('online');
  const [feature, setFeature] = useState('');

  function done(): void {
    tell({ currentFeature: feature.trim() || null });
  }

  return (
    <form id="mine" className="fields" onSubmit={(event: FormEvent) => {
      event.preventDefault();
      done();
    }}>
      <Choice id="status" label="Your status" value={status}
        options={STATUSES} onChange={(value) => {
          setStatus(value);
          tell({ status: value as typeof STATUSES[number] });
        }} />
      <Text id="working" label="You work on" value={feature} maxLength={128}
        placeholder="nothing special" onChange={setFeature} onBlur={done} />
    </form>
  );
}
