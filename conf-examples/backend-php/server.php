<?php

// A back end for conf-examples/backend-php.conf, under php-fpm, or under
// php-cgi -b 127.0.0.1:9000

const LESSONS = ['intro', 'practice', 'test'];

// PHP remembers nothing: lessons that are finished stand in a file of the user,
// in a directory that is php-fpm's alone, which LESSONS_DIR names

function answer($call)
{
    if ($call->kind !== 'message'
        || $call->message->type !== 'agent:learning')
    {
        return new stdClass;      // told of, and nothing to be said
    }

    $user = $call->userId ?? $call->connectionId;
    $dir = $_SERVER['LESSONS_DIR'];
    $file = fopen("$dir/" . hash('sha256', $user), 'c+');
    flock($file, LOCK_EX);        // one request of the user after the other
    $n = (int) fgets($file);

    switch ($call->message->action ?? '') {
    case 'next_lesson':
        return ['ack' => ['lesson' => LESSONS[$n] ?? null]];

    case 'finish_lesson':
        rewind($file);
        fwrite($file, (string) ($n + 1));
        return ['ack' => ['finished' => $n + 1],
                'publish' => ['type' => 'lesson-finished', 'userId' => $user,
                              'lesson' => LESSONS[$n] ?? null]];

    default:
        return ['ack' => ['ok' => false, 'reason' => 'unknown action']];
    }
}

header('Content-Type: application/json');
echo json_encode(answer(json_decode(file_get_contents('php://input'))));
