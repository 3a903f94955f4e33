// The core: a client of a hub, for browsers and Node, without React.

export { createClient } from './core/client.js';
export { ConductorError } from './core/error.js';
export type {
  ClientErrorCode, ErrorCode, ErrorReply, ServerErrorCode,
} from './core/error.js';
export { createEvents } from './core/events.js';
export type { Events, EventsOptions } from './core/events.js';
export { trackNavigation } from './core/navigation.js';
export type {
  NavigationOptions, PresenceSetter,
} from './core/navigation.js';
export { createPresence } from './core/presence.js';
export type {
  Presence, PresenceOptions, PresenceState,
} from './core/presence.js';
export type { OwnPresence } from './core/presence-voice.js';
export { createQuality, grade } from './core/quality.js';
export type {
  Quality, QualityMetrics, QualityMonitor, QualityOptions,
} from './core/quality.js';
export { createQueue } from './core/queue.js';
export type { Queue, QueueOptions } from './core/queue.js';
export type { QueueItem } from './core/queue-list.js';
export type { Locks } from './core/queue-tabs.js';
// all of it, since only so its interfaces can be merged with
export * from './core/types.js';
