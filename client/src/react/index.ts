// The React part of the package.

'use client';

export { ConductorProvider } from './provider.js';
export type { ConductorProviderProps } from './provider.js';
export type { ClientParts, ConnectionOptions } from './session.js';

export { useWebSocket } from './use-web-socket.js';
export type { Connection } from './use-web-socket.js';
export { usePresence } from './use-presence.js';
export type { PresenceResult, UsePresenceOptions } from './use-presence.js';
export { useEvents } from './use-events.js';
export type { EventsResult, UseEventsOptions } from './use-events.js';
export { useOfflineQueue } from './use-offline-queue.js';
export type {
  OfflineQueue, UseOfflineQueueOptions,
} from './use-offline-queue.js';
export { useConnectionQuality } from './use-connection-quality.js';
export type {
  ConnectionQuality, UseConnectionQualityOptions,
} from './use-connection-quality.js';

export { ReviewerPresence } from './reviewer-presence.js';
export type {
  PresenceView, ReviewerPresenceProps,
} from './reviewer-presence.js';
export {
  ConnectionQualityBadge, ConnectionQualityCard,
} from './quality-indicators.js';
export type { QualityIndicatorProps } from './quality-indicators.js';
export { TimeOnline, formatMinutes } from './time-online.js';
export type { TimeOnlineProps } from './time-online.js';
export { presenceLabels, qualityLabels } from './labels.js';
export type { PresenceLabels, QualityLabels } from './labels.js';
