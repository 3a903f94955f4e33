// The fields of the two events that the form can publish.

import { Choice, Text } from '../app/Field.js';
import { STEPS, VERDICTS, type Draft } from './drafts.js';

interface Props {
  readonly draft: Draft;
  readonly change: (some: Partial<Draft>) => void;
}

/** A task goes from one status to another. */
export function TaskFields({ draft, change }: Props) {
  return (
    <>
      <Text id="task" label="Task" value={draft.taskId} required
        onChange={(taskId) => change({ taskId })} />
      <Text id="feature" label="Feature" value={draft.featureSlug} required
        onChange={(featureSlug) => change({ featureSlug })} />
      <Choice id="old" label="Old status" value={draft.oldStatus}
        options={STEPS} onChange={(oldStatus) => change({ oldStatus })} />
      <Choice id="new" label="New status" value={draft.newStatus}
        options={STEPS} onChange={(newStatus) => change({ newStatus })} />
      <Text id="estimate" wide value={draft.estimate} placeholder="none"
        label="Estimate, which reviewers do not see"
        onChange={(estimate) => change({ estimate })} />
    </>
  );
}

/** Somebody has looked at a feature. */
export function ReviewFields({ draft, change }: Props) {
  return (
    <>
      <Text id="feature" label="Feature" value={draft.featureSlug} required
        onChange={(featureSlug) => change({ featureSlug })} />
      <Choice id="verdict" label="Verdict" value={draft.verdict}
        options={VERDICTS} onChange={(verdict) => change({ verdict })} />
      <Text id="comment" label="Comment" wide value={draft.comment}
        placeholder="none" onChange={(comment) => change({ comment })} />
    </>
  );
}
