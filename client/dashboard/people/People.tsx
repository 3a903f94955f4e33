// Who is here, and what you say of yourself.

import { Panel } from '../app/Panel.js';
import { brief } from '../figures/samples.js';
import { ReviewerPresence, usePresence } from '../../src/react/index.js';
import { Mine } from './Mine.js';

/** Shown where the server tells who is there. */
export function People() {
  const { known, total, reviewers, set } = usePresence();

  if (!known) {
    return null;
  }

  const only = reviewers.length === 1;

  return (
    <Panel id="presence" title="Who is here"
      note={<span id="present">{brief(total)}</span>}>
      <div id="reviewers">
        <ReviewerPresence />
      </div>
      {only && (
        <p className="soft" id="alone">
          Only you. Open the other link that the server printed, in a second
          window beside this one.
        </p>
      )}
      <Mine tell={set} />
    </Panel>
  );
}
