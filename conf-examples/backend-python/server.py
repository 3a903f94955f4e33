# A back end for conf-examples/backend.conf: python3 server.py

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LESSONS = ['intro', 'practice', 'test']
done = {}                         # of each user: lessons that are finished


def answer(call):
    if (call['kind'] != 'message'
            or call['message']['type'] != 'agent:learning'):
        return {}                 # told of, and nothing to be said

    user = call['userId'] or call['connectionId']
    action = call['message'].get('action')
    n = done.get(user, 0)
    lesson = LESSONS[n] if n < len(LESSONS) else None

    if action == 'next_lesson':
        return {'ack': {'lesson': lesson}}

    if action == 'finish_lesson':
        done[user] = n + 1
        return {'ack': {'finished': n + 1},
                'publish': {'type': 'lesson-finished', 'userId': user,
                            'lesson': lesson}}

    return {'ack': {'ok': False, 'reason': 'unknown action'}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_POST(self):
        length = int(self.headers['Content-Length'])
        text = json.dumps(answer(json.loads(self.rfile.read(length)))).encode()

        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


ThreadingHTTPServer(('127.0.0.1', int(os.environ.get('PORT', 8081))),
                    Handler).serve_forever()
