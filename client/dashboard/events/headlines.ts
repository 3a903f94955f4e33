// An event in words: its headline, and the fields that are not in that.

import type { Fields } from '../../src/core/types.js';

/** What a row of the list says. */
export interface Headline {
  readonly title: string;
  /** A change, drawn as two words and an arrow. */
  readonly change: readonly [string, string] | null;
  readonly feature: string | null;
  readonly rest: readonly (readonly [name: string, value: string])[];
}

function word(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value) ?? '';
}

function known(event: Fields): readonly string[] {
  switch (event['type']) {
    case 'task-status-changed':
      return ['taskId', 'oldStatus', 'newStatus', 'featureSlug'];
    case 'stakeholder-review':
      return ['verdict', 'featureSlug'];
    case 'admin-notification':
      return ['level', 'message'];
    default:
      return ['featureSlug'];
  }
}

function title(event: Fields): string {
  switch (event['type']) {
    case 'task-status-changed':
      return word(event['taskId']);
    case 'stakeholder-review':
      return `Review: ${word(event['verdict'] ?? 'done')}`;
    case 'admin-notification':
      return `${word(event['level'])}: ${word(event['message'])}`;
    default:
      return word(event['type']);
  }
}

/** Every field of an event is in one of the parts, and in one only. */
export function headline(event: Fields): Headline {
  const shown = known(event);
  const { featureSlug: feature } = event;
  const changes = event['type'] === 'task-status-changed';

  return {
    title: title(event),
    change: changes ? [word(event['oldStatus']), word(event['newStatus'])]
      : null,
    feature: feature === undefined ? null : word(feature),
    rest: Object.entries(event)
      .filter(([name]) => !shown.includes(name)
        && !['type', 'timestamp', 'eventId'].includes(name))
      .map(([name, value]) => [name, word(value)]),
  };
}
