// A server that says what a test wants, over sockets that are none.

import type {
  Fields, Socket, SocketConstructor,
} from '../src/core/types.js';

/** One connection, seen from the server. */
export class FakeSocket implements Socket {
  readyState = 0;
  onopen: Socket['onopen'] = null;
  onmessage: Socket['onmessage'] = null;
  onclose: Socket['onclose'] = null;
  onerror: Socket['onerror'] = null;

  /** All that the client has sent. */
  readonly got: Fields[] = [];
  closed = false;

  constructor(
    readonly server: FakeServer, readonly url: string,
    readonly protocols: readonly string[],
  ) {
    server.sockets.push(this);
  }

  send(text: string): void {
    const command = JSON.parse(text) as Fields;

    this.got.push(command);
    queueMicrotask(() => {
      const answer = this.closed ? null : this.server.answer(command);

      if (answer) {
        this.say({ id: command['id'], ...answer });
      }
    });
  }

  close(): void {
    this.closed = true;
  }

  /** Sends a message to the client. */
  say(message: Fields): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  /** Lets the client in. */
  welcome(userId: string | null = 'alice', more: Fields = {}): this {
    const n = this.server.sockets.indexOf(this) + 1;

    this.readyState = 1;
    this.onopen?.({});
    this.say({
      type: 'welcome', connectionId: `conn_${n}`, message: 'hello',
      timestamp: 1_700_000_000_000, userId, role: null, server: 's',
      lastEventId: '1-0', pingMs: 25_000,
      limits: { maxMessage: 65_536, maxQueue: 1_048_576 }, ...more,
    });

    return this;
  }

  /** The connection is lost. */
  lose(code = 1006, reason = ''): void {
    this.closed = true;
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

/** What a client believes to be a server. */
export class FakeServer {
  readonly sockets: FakeSocket[] = [];

  /** What a command is answered with; null for nothing. */
  answer: (command: Fields) => Fields | null = (command) =>
    ({ type: command['type'] === 'ping' ? 'pong' : 'ack' });

  readonly Socket: SocketConstructor;

  constructor() {
    const server = this;

    this.Socket = class extends FakeSocket {
      constructor(url: string, protocols: string[]) {
        super(server, url, protocols);
      }
    };
  }

  /** The newest connection. */
  get last(): FakeSocket {
    const socket = this.sockets[this.sockets.length - 1];

    if (!socket) {
      throw new Error('nobody has connected');
    }

    return socket;
  }

  /** Everything that was sent of one type, over all connections. */
  all(type: string): Fields[] {
    return this.sockets.flatMap((socket) =>
      socket.got.filter((command) => command['type'] === type));
  }
}
