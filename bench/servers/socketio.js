// The server that one writes with Socket.IO and its Redis adapter: a token at
// the handshake, and an event to all for what is posted.
// Usage: node socketio.js PORT [REDIS_PORT], with NODE_PATH to the packages.

'use strict';

const crypto = require('crypto');
const http = require('http');
const { Server } = require('socket.io');

const secret = "the bench's own secret of enough bytes";
const server = http.createServer(publish);
const io = new Server(server, { transports: ['websocket'],
  perMessageDeflate: false, allowRequest: allow });

server.keepAliveTimeout = 0;

start();

async function start() {
  if (process.argv[3]) {
    const { createAdapter } = require('@socket.io/redis-adapter');
    const { createClient } = require('redis');

    const pub = createClient({ url: `redis://127.0.0.1:${process.argv[3]}` });
    const sub = pub.duplicate();

    await Promise.all([pub.connect(), sub.connect()]);
    io.adapter(createAdapter(pub, sub));
  }

  server.listen({ port: Number(process.argv[2]), host: '127.0.0.1',
    backlog: 511 });
}

function allow(request, done) {
  const token = (request.headers.authorization ?? '').split(' ')[1] ?? '';
  const [header, claims, signature] = token.split('.');

  const mac = crypto.createHmac('sha256', secret)
    .update(`${header}.${claims}`).digest();
  const given = Buffer.from(signature ?? '', 'base64url');

  if (given.length !== mac.length || !crypto.timingSafeEqual(given, mac)) {
    done('no token', false);
    return;
  }

  const id = JSON.parse(Buffer.from(claims, 'base64url'));
  done(null, id.exp > Date.now() / 1000);
}

function publish(request, response) {
  const chunks = [];

  // Engine.IO has its own requests

  if (request.url !== '/publish') {
    return;
  }

  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const event = JSON.parse(Buffer.concat(chunks));
    const body = '{"accepted":1,"eventIds":["1767225600000-123"]}\n';

    io.emit(event.type, event);

    response.writeHead(200, { 'Content-Type': 'application/json',
      'Content-Length': body.length });
    response.end(body);
  });
}
