// The two events that the form publishes, while they are being written.

import type { Fields } from '../../src/core/types.js';

/** The steps of a task, in their order. */
export const STEPS = [
  'ReadyForDevelopment', 'InProgress', 'InReview', 'InQA', 'Done',
] as const;

/** What a review may end with. */
export const VERDICTS = ['approved', 'changes requested', 'rejected'] as const;

/** The fields of the form, for both types. */
export interface Draft {
  readonly type: 'task-status-changed' | 'stakeholder-review';
  readonly taskId: string;
  readonly featureSlug: string;
  readonly oldStatus: string;
  readonly newStatus: string;
  readonly estimate: string;
  readonly verdict: string;
  readonly comment: string;
}

/** What the form starts with: something that can be published at once. */
export const FIRST: Draft = {
  type: 'task-status-changed',
  taskId: 'T01',
  featureSlug: 'websocket-realtime-system',
  oldStatus: 'InProgress',
  newStatus: 'InReview',
  estimate: '',
  verdict: 'approved',
  comment: '',
};

function filled(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields)
    .filter(([, value]) => value !== ''));
}

/** The event that a draft stands for; empty fields are not in it. */
export function eventOf(draft: Draft): Fields & { type: string } {
  const { type, taskId, featureSlug, oldStatus, newStatus } = draft;

  return type === 'task-status-changed'
    ? { type, ...filled({ taskId, featureSlug, oldStatus, newStatus,
      estimate: draft.estimate }) }
    : { type, ...filled({ featureSlug, verdict: draft.verdict,
      comment: draft.comment }) };
}

/** The draft after a publication: the next change of the same task. */
export function after(draft: Draft): Draft {
  const next = (STEPS.indexOf(draft.newStatus as typeof STEPS[number]) + 1)
    % STEPS.length;

  return draft.type === 'stakeholder-review' ? { ...draft, comment: '' }
    : { ...draft, oldStatus: draft.newStatus, newStatus: STEPS[next] ?? '' };
}

/** The same publication as a line for a terminal. */
export function curl(draft: Draft, url: URL): string {
  const insecure = url.protocol === 'https:' ? ' -k' : '';
  const json = JSON.stringify(eventOf(draft)).replace(/'/g, "'\\''");

  return `curl${insecure} -H 'Content-Type: application/json' `
    + `-d '${json}' ${url.href}`;
}
