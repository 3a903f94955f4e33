// The server that one writes with ws: a token at the handshake, a welcome, an
// answer to a message, and a loop over all clients for what is posted.
// Usage: node ws.js PORT, with NODE_PATH to where ws is installed.

'use strict';

const crypto = require('crypto');
const http = require('http');
const { WebSocket, WebSocketServer } = require('ws');

const secret = "the bench's own secret of enough bytes";
const sockets = new WebSocketServer({ noServer: true });
const server = http.createServer(publish);

server.keepAliveTimeout = 0;
server.on('upgrade', upgrade);
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1',
  backlog: 511 });

function identity(request) {
  const token = (request.headers.authorization ?? '').split(' ')[1] ?? '';
  const [header, claims, signature] = token.split('.');

  const mac = crypto.createHmac('sha256', secret)
    .update(`${header}.${claims}`).digest();
  const given = Buffer.from(signature ?? '', 'base64url');

  if (given.length !== mac.length || !crypto.timingSafeEqual(given, mac)) {
    return null;
  }

  const id = JSON.parse(Buffer.from(claims, 'base64url'));
  return id.exp > Date.now() / 1000 ? id : null;
}

function upgrade(request, socket, head) {
  const id = identity(request);

  if (id === null) {
    socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
    return;
  }

  sockets.handleUpgrade(request, socket, head, (client) => {
    client.on('message', (data) => {
      const message = JSON.parse(data);
      client.send(JSON.stringify({ type: 'pong', id: message.id,
        timestamp: Date.now(), lastEventId: '1767225600000-0' }));
    });

    client.send(JSON.stringify({ type: 'welcome',
      connectionId: crypto.randomUUID(),
      message: 'Connected to AIConductor WebSocket server',
      timestamp: Date.now(), userId: id.sub, role: id.role,
      server: 'node-1', lastEventId: '1767225600000-0', pingMs: 25000 }));
  });
}

function publish(request, response) {
  const chunks = [];

  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const text = Buffer.concat(chunks).toString();
    const body = '{"accepted":1,"eventIds":["1767225600000-123"]}\n';

    response.writeHead(200, { 'Content-Type': 'application/json',
      'Content-Length': body.length });
    response.end(body);

    for (const client of sockets.clients) {
      if (client.readyState === WebSocket.OPEN) {
        client.send(text);
      }
    }
  });
}
