// A back end for conf-examples/backend.conf: node server.js

const http = require('http');

const lessons = ['intro', 'practice', 'test'];
const done = new Map();           // of each user: lessons that are finished


function answer(call) {
  if (call.kind !== 'message' || call.message.type !== 'agent:learning') {
    return {};                    // told of, and nothing to be said
  }

  const user = call.userId ?? call.connectionId;
  const n = done.get(user) ?? 0;

  switch (call.message.action) {
  case 'next_lesson':
    return { ack: { lesson: lessons[n] ?? null } };

  case 'finish_lesson':
    done.set(user, n + 1);
    return {
      ack: { finished: n + 1 },
      publish: { type: 'lesson-finished', userId: user,
                 lesson: lessons[n] ?? null },
    };

  default:
    return { ack: { ok: false, reason: 'unknown action' } };
  }
}


http.createServer(async (req, res) => {
  let text = '';
  for await (const chunk of req) text += chunk;

  res.setHeader('Content-Type', 'application/json');
  res.end(JSON.stringify(answer(JSON.parse(text))));
}).listen(process.env.PORT ?? 8081, '127.0.0.1');
