// What every part of the package speaks of: messages, options, the client.

import type { ErrorReply } from './error.js';

/** A JSON object as it is sent or received. */
export type Fields = Record<string, unknown>;

/**
 * Where a client stands.
 *
 * - `idle`: never connected, or disconnected by {@link Client.disconnect}
 * - `connecting`: a handshake is under way
 * - `connected`: the server has said `welcome`
 * - `waiting`: the connection was lost, or could not be made; another attempt
 *   follows at {@link State.retryAt}, or when the browser is online again or
 *   the page is looked at
 * - `closed`: the server refused for good; {@link State.error} says why
 */
export type Status =
  'idle' | 'connecting' | 'connected' | 'waiting' | 'closed';

/** What every event of a hub has beside its own fields. */
export interface EventBase {
  readonly type: string;
  /** Unix time in milliseconds. */
  readonly timestamp: number;
  /** Opaque; names a position from which a client can resume. */
  readonly eventId: string;
}

/** A task went from one status to another. */
export interface TaskStatusChanged extends EventBase {
  readonly type: 'task-status-changed';
  readonly taskId: string;
  readonly featureSlug: string;
  readonly oldStatus: string;
  readonly newStatus: string;
  readonly [field: string]: unknown;
}

/** A stakeholder said something of a feature. */
export interface StakeholderReview extends EventBase {
  readonly type: 'stakeholder-review';
  readonly featureSlug: string;
  readonly [field: string]: unknown;
}

/** A word of an administrator to everyone it concerns. */
export interface AdminNotification extends EventBase {
  readonly type: 'admin-notification';
  readonly level: string;
  readonly message: string;
}

/**
 * The event types of a hub, by name.  Declare your own by merging:
 *
 * ```ts
 * declare module 'ngx-conductor-client' {
 *   interface EventMap {
 *     'build-finished': EventBase & { build: number; ok: boolean };
 *   }
 * }
 * ```
 */
export interface EventMap {
  'task-status-changed': TaskStatusChanged;
  'stakeholder-review': StakeholderReview;
  'admin-notification': AdminNotification;
}

/** An event of a type that is not declared. */
export type UnknownEvent = EventBase & Fields;

/** An event of the type `K`, if that is declared, or of any. */
export type EventOf<K extends string> =
  K extends keyof EventMap ? EventMap[K] : UnknownEvent;

/** The first message of a connection. */
export interface Welcome {
  readonly type: 'welcome';
  /** Another one for each connection. */
  readonly connectionId: string;
  /** A greeting, for people. */
  readonly message: string;
  /** The server's time, Unix milliseconds. */
  readonly timestamp: number;
  /** Null for one who is nobody in particular. */
  readonly userId: string | null;
  /** The roles, with commas between them. */
  readonly role: string | null;
  /** The name of the server. */
  readonly server: string;
  /** The position at which the connection begins. */
  readonly lastEventId: string;
  /** How often the server sends a ping, in milliseconds; 0 if never. */
  readonly pingMs: number;
  /** What is not limited is missing. */
  readonly limits: {
    /** So many messages may be sent in `per` milliseconds. */
    readonly messages?: number;
    /** So many bytes may be sent in `per` milliseconds. */
    readonly bytes?: number;
    /** Milliseconds. */
    readonly per?: number;
    /** Bytes of one message to the server. */
    readonly maxMessage: number;
    /** Bytes that may wait for this client before it is too slow. */
    readonly maxQueue: number;
  };
}

/** What a reviewer may say of themselves; `offline` only the server says. */
export type ReviewerStatus = 'online' | 'away' | 'busy' | 'offline';

/** One who is present, as `presence-list` and `presence-diff` tell it. */
export interface Reviewer {
  /** Of the user, or of the connection of one who is nobody. */
  readonly reviewerId: string;
  readonly userId: string | null;
  /** In an update, the connection that brought it. */
  readonly connectionId?: string;
  /** The roles, with commas between them. */
  readonly role: string | null;
  readonly status: ReviewerStatus;
  readonly currentFeature: string | null;
  /** Unix time in milliseconds. */
  readonly connectedAt: number;
  readonly [field: string]: unknown;
}

/** Ends a resume, or reports a gap. */
export interface Resumed {
  readonly type: 'resumed';
  /** False if events are missing. */
  readonly recovered: boolean;
  /** How many events were sent. */
  readonly count: number;
  /** Where this client is now. */
  readonly lastEventId: string;
  /**
   * Why events are missing: the position is `unknown`, what follows it is
   * `expired`, was `overrun` while it was read, did not outlive an `upgrade`,
   * or there is a `gap` in what the server itself knows.
   */
  readonly reason?: 'unknown' | 'expired' | 'overrun' | 'upgrade' | 'gap';
}

/** The answer to a command: `ack`, or `pong` to a `ping`. */
export interface Reply extends Fields {
  readonly type: string;
  readonly id: string | number;
  /** Of a `publish`: the event that it became. */
  readonly eventId?: string;
  /** Of `start_session`. */
  readonly sessionId?: string;
}

/** Everyone who is present; it takes the place of all that was told before. */
export interface PresenceList {
  readonly type: 'presence-list';
  readonly reviewers: readonly Reviewer[];
  /** How many there are; `reviewers` may be fewer. */
  readonly total: number;
  /** Some are missing. */
  readonly truncated: boolean;
  readonly timestamp: number;
}

/** One reviewer has come, changed, or (`offline`) gone. */
export interface PresenceUpdate extends Reviewer {
  readonly type: 'presence-update';
  readonly timestamp: number;
}

/** Many reviewers have come, changed, or gone. */
export interface PresenceDiff {
  readonly type: 'presence-diff';
  readonly joined: readonly Reviewer[];
  readonly changed: readonly Reviewer[];
  /** Ids of reviewers. */
  readonly left: readonly string[];
  readonly timestamp: number;
}

/**
 * The messages that are no events of the log, by type.  Declare what your
 * back ends send by merging, as with {@link EventMap}.
 */
export interface MessageMap {
  welcome: Welcome;
  resumed: Resumed;
  ack: Reply;
  pong: Reply;
  error: ErrorReply;
  'presence-list': PresenceList;
  'presence-update': PresenceUpdate;
  'presence-diff': PresenceDiff;
}

/** Any message. */
export type Message = Fields & { readonly type: string };

/** A message from the server by its type. */
export type MessageOf<K extends string> =
  K extends keyof MessageMap ? MessageMap[K] : EventOf<K>;

/** Types of messages: those that are declared, `*` for all, or any other. */
export type MessageType =
  keyof EventMap | keyof MessageMap | '*' | (string & Record<never, never>);

/** A command: its type and its fields, without `id`. */
export interface Command extends Fields {
  readonly type: string;
  /** Makes it repeatable: the server does a key once in ten minutes. */
  readonly key?: string;
}

/** Values that a field may have: one, or a list. */
export type FilterValue = string | number | boolean | null;

/** Fields to values; the server filters what this client may see. */
export type Filter = Record<string, FilterValue | readonly FilterValue[]>;

/** A channel that is received, all of it or filtered. */
export interface Subscription {
  readonly channel: string;
  /** Without one, all of the channel is received. */
  readonly filter?: Filter;
}

/** How {@link Client.send} sends. */
export interface SendOptions {
  /**
   * Milliseconds until the promise is rejected; 10,000 unless told.  With a
   * queue, milliseconds of one try.
   */
  readonly timeout?: number;
  /**
   * `false`: reject at once if not connected, even where the client has a
   * queue.  Where it has none, that is so anyway.
   */
  readonly queue?: boolean;
  /** Rejects the promise; a message that still waits is not sent. */
  readonly signal?: AbortSignal;
}

/** Sends a command; see {@link Client.send}. */
export type Send =
  (command: Command, options?: SendOptions) => Promise<Reply>;

/** Why a client is not connected. */
export interface ConnectionError {
  /** The close code; 1006 where there was no close frame. */
  readonly code: number;
  /**
   * The reason of the close frame, such as `token_expired`; or, with 1006,
   * what the client itself has seen: `timeout` (no `welcome` came), `silent`
   * (no answer came), `no_token` (the token could not be fetched) or `resume`
   * (the server could not resume now).
   */
  readonly reason: string;
  /** No further attempt follows. */
  readonly final: boolean;
}

/**
 * What a client knows of its connection.  It is never changed: a new object
 * takes its place, and only if something is different.
 */
export interface State {
  readonly status: Status;
  /** Of the connection, or of the last one; null before the first. */
  readonly welcome: Welcome | null;
  /** Why it is not connected; also while another attempt is under way. */
  readonly error: ConnectionError | null;
  /** Attempts since the last connection. */
  readonly attempts: number;
  /** When the next attempt begins, Unix milliseconds; null if none does. */
  readonly retryAt: number | null;
  /**
   * False if events were missed before this connection or during it, or if it
   * is another user's than the last one: what is kept has to be read anew.
   */
  readonly recovered: boolean;
}

/**
 * A token, or what fetches one: called before each connection, and before the
 * token ends.  If it fails, or gives what cannot be a token, it is called again
 * later; null or an empty text is no token.
 */
export type TokenSource =
  string | (() => string | null | undefined
    | Promise<string | null | undefined>);

/** A handler of a socket, which may want to know more of its event. */
export type SocketHandler<E> = { of(event: E): void }['of'] | null;

/** As much of a WebSocket as the client needs. */
export interface Socket {
  readonly readyState: number;
  onopen: SocketHandler<unknown>;
  onmessage: SocketHandler<{ data: unknown }>;
  onclose: SocketHandler<{ code: number; reason: string }>;
  onerror: SocketHandler<unknown>;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

/** A constructor of WebSockets: the browser's, Node's, or that of `ws`. */
export type SocketConstructor =
  new (url: string, protocols: string[]) => Socket;

/** As much of a Storage as is needed to survive a reload of the page. */
export type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** Time, as the client sees it.  Tests bring their own. */
export interface Clock {
  now(): number;
  setTimeout(call: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  /** 0 to below 1. */
  random(): number;
}

/** What {@link createClient} is given. */
export interface ClientOptions {
  /** `ws:` or `wss:`; `http:` and `https:` stand for them. */
  readonly url: string | URL;
  readonly token?: TokenSource;
  /**
   * In place of the hub's default channels; beside them, if the list is larger
   * than a message to the server may be.  What `subscribe` and `unsubscribe`
   * change later survives a reconnect.
   */
  readonly subscriptions?: readonly Subscription[];
  /** A position to resume from at the first connection. */
  readonly since?: string;
  /**
   * Keeps the position across reloads of the page: it is stored with its
   * user and discarded when another one connects.  Tabs that share a store
   * share the position: `sessionStorage` has one for each.
   */
  readonly resume?: { readonly store: Store; readonly key: string };
  /** Delays between attempts, ± 20 %; 1, 2, 4, 8 s unless told. */
  readonly delays?: readonly number[];
  /**
   * Milliseconds until `welcome`, fetching the token included; 15,000 unless
   * told.
   */
  readonly connectTimeout?: number;
  /** Milliseconds that a command may take; 10,000 unless told. */
  readonly timeout?: number;
  /**
   * Milliseconds of silence after which the client asks whether the
   * connection still lives; 30,000 unless told, 0 for never.
   */
  readonly aliveInterval?: number;
  /** Where there is none, or another is wanted: that of `ws` in Node < 22. */
  readonly WebSocket?: SocketConstructor;
  /** For tests. */
  readonly clock?: Clock;
}

/** A listener of messages of the type `K`; `*` hears every message. */
export type Listener<K extends string> =
  (message: K extends '*' ? Message : MessageOf<K>) => void;

/**
 * Where commands wait while there is no connection; see `createQueue`.  Once
 * attached, it gets every command but those with `queue: false`, connected or
 * not, and sends them with {@link Client.send} and `queue: false`.
 */
export interface Outbox {
  /** Takes a command; the promise is that of {@link Client.send}. */
  push(command: Command, options: SendOptions): Promise<Reply>;
  /**
   * Another token is in force, and whose it is nobody knows before the next
   * `welcome`.
   */
  unsure?(): void;
}

/** A connection to a hub that is kept up. */
export interface Client {
  /** What it was made with. */
  readonly options: ClientOptions;
  /** The present state; the same object until something is different. */
  readonly state: State;
  /**
   * Tells of a new {@link state}, once for all messages that came in one
   * turn.  Returns what ends that.
   */
  onChange(listener: () => void): () => void;
  /** Hears messages of one type as they come.  Returns what ends that. */
  on<K extends MessageType>(type: K, listener: Listener<K>): () => void;
  /**
   * Connects if `idle` or `closed`; tries at once if `waiting`.  Else it does
   * nothing.
   */
  connect(): void;
  /**
   * Ends the connection and every attempt; `idle` after that.  The position
   * and the subscriptions stay for the next {@link connect}.
   */
  disconnect(): void;
  /**
   * Sends a command and gives its `ack`.  Rejected with a `ConductorError`:
   * the server's `error`, `timeout` or `disconnected` (it may or may not have
   * been done: repeat it with the same key), `aborted`, `closed`, or what the
   * queue says.  A message larger than the server takes is not sent, but
   * rejected as `too_large`, and what is no JSON as `bad_message`.  With a
   * queue the promise waits as long as the message does.
   */
  readonly send: Send;
  /**
   * Receives a channel, also on later connections, until the server refuses
   * it.  A second call replaces the filter.  While there is no connection the
   * promise waits for one; it is rejected by {@link disconnect}, which takes
   * back nothing.
   */
  subscribe(channel: string, filter?: Filter): Promise<Reply>;
  /** Receives a channel no longer; else like {@link subscribe}. */
  unsubscribe(channel: string): Promise<Reply>;
  /**
   * Takes another token.  One of the same user is given to the connection;
   * for another user there is a new connection, and the position is
   * discarded.  Until then the old user speaks; {@link disconnect} first if
   * that must not be.  A client that is `closed` connects.
   */
  setToken(token: TokenSource | undefined): void;
  /** The position up to which this client knows everything. */
  readonly lastEventId: string | null;
  /** Puts a queue in the way of what is sent; `createQueue` calls it. */
  attach(outbox: Outbox): () => void;
}
