// One attempt to connect and, if it succeeds, one connection.

import { createTimer } from './timer.js';
import type { Clock, Message, SocketConstructor } from './types.js';

/** What a link is made of. */
export interface LinkOptions {
  readonly url: string;
  readonly token: Promise<string | null>;
  readonly Socket: SocketConstructor;
  readonly clock: Clock;
  /** Milliseconds until `welcome`. */
  readonly timeout: number;
  /** A message came; the first is `welcome`. */
  message(message: Message): void;
  /**
   * It is over, or could not be made; nothing more is heard after that.
   * `never`: nor could another like it.
   */
  lost(code: number, reason: string, never?: boolean): void;
}

/** One connection. */
export interface Link {
  /** The token that it was made with, once that is known. */
  readonly token: string | null;
  /** Another took its place. */
  renewed(token: string | null): void;
  send(text: string): void;
  /** Ends it; nothing more is heard. */
  close(): void;
}

function parse(data: unknown): Message | undefined {
  try {
    const message: unknown = JSON.parse(data as string);

    return typeof (message as { type?: unknown } | null)?.type === 'string'
      ? message as Message : undefined;
  } catch {
    return undefined;
  }
}

/** Fetches the token and opens a socket with it. */
export function openLink(options: LinkOptions): Link {
  const { message, lost } = options;
  const deadline = createTimer(options.clock);
  let socket: InstanceType<SocketConstructor> | undefined;
  let token: string | null = null;
  let over = false;

  const close = () => {
    over = true;
    deadline.clear();

    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      // the socket of "ws" would throw what nobody hears
      socket.onerror = () => undefined;

      try {
        socket.close(1000);
      } catch {
        // it is closed
      }
    }
  };

  const end = (code: number, reason: string, never?: boolean) => {
    if (!over) {
      close();
      lost(code, reason, never);
    }
  };

  const open = (given: string | null) => {
    token = given;

    if (over) {
      return;
    }

    const protocols = ['conductor.v1'];

    if (token !== null) {
      protocols.push(`bearer.${token}`);
    }

    try {
      socket = new options.Socket(options.url, protocols);
    } catch (error) {
      // the address or the token cannot be written so, nor ever will
      end(1006, String(error), true);
      return;
    }

    socket.onmessage = ({ data }) => {
      const read = parse(data);

      if (read) {
        if (read.type === 'welcome') {
          deadline.clear();
        }

        message(read);
      }
    };

    socket.onclose = ({ code, reason }) => end(code, reason);
    // a close follows
    socket.onerror = () => undefined;
  };

  deadline.set(options.timeout, () => end(1006, 'timeout'));
  options.token.then(open, () => end(1006, 'no_token'));

  return {
    get token() {
      return token;
    },
    renewed(other) {
      token = other;
    },
    send: (text) => socket?.send(text),
    close,
  };
}
