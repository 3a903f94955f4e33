// The form that publishes an event.

import { useCallback, useState, type FormEvent } from 'react';

import type { Client } from '../../src/core/types.js';
import { Choice } from '../app/Field.js';
import { beside } from '../app/link.js';
import { Panel } from '../app/Panel.js';
import { ReviewFields, TaskFields } from './DraftFields.js';
import { after, curl, eventOf, FIRST, type Draft } from './drafts.js';
import { usePublish } from './usePublish.js';

const TYPES = {
  'task-status-changed': 'The status of a task changes',
  'stakeholder-review': 'A feature was reviewed',
};

function Terminal({ draft }: { readonly draft: Draft }) {
  return (
    <details>
      <summary>The same from a terminal</summary>
      <p className="soft">On the machine of the server:</p>
      <pre id="curl" tabIndex={0} role="region" aria-label="curl">
        {curl(draft, beside('publish'))}
      </pre>
    </details>
  );
}

/** What one publishes, all who are connected see at once. */
export function Publish({ client }: { readonly client: Client }) {
  const [draft, setDraft] = useState(FIRST);
  const { answer, publish } = usePublish(client);
  const Kind = draft.type === 'task-status-changed' ? TaskFields : ReviewFields;

  const change = useCallback((some: Partial<Draft>) => {
    setDraft((old) => ({ ...old, ...some }));
  }, []);

  function submit(event: FormEvent): void {
    event.preventDefault();

    // what is queued has no answer yet, and the next change need not wait
    const queued = !['connected', 'closed'].includes(client.state.status);

    void publish(eventOf(draft)).then((done) => {
      if (done && !queued) {
        setDraft(after);
      }
    });

    if (queued) {
      setDraft(after);
    }
  }

  return (
    <Panel id="publish" title="Publish an event">
      <form id="publish" className="fields" onSubmit={submit}>
        <Choice id="type" label="What happens" wide value={draft.type}
          options={TYPES} onChange={(type) => change({
            type: type as Draft['type'],
          })} />
        <Kind draft={draft} change={change} />
        <div className="wide act">
          <button className="primary">Publish</button>
          <output id="answer" data-tone={answer.state}>{answer.text}</output>
        </div>
      </form>
      <Terminal draft={draft} />
    </Panel>
  );
}
