<?php

// A back end for conf-examples/backend-php.conf, under php-fpm, or under
// php-cgi -b 127.0.0.1:9000

const LESSONS = ['intro', 'practice', 'test'];

// PHP remembers nothing: lessons that are finished stand in a file of the user

function answer($call)
{
    if ($call->kind !== 'message'
        || $call->message->type !== 'agent:learning')
    {
        return new stdClass;      // told of, and nothing to be said
    }

    $user = $call->userId ?? $call->connectionId;
    $file = sys_get_temp_dir() . '/lessons.' . hash('sha256', $user);
    $n = (int) @file_get_contents($file);

    switch ($call->message->action ?? '') {
    case 'next_lesson':
        return ['ack' => ['lesson' => LESSONS[$n] ?? null]];

    case 'finish_lesson':
        file_put_contents($file, $n + 1);
        return ['ack' => ['finished' => $n + 1],
                'publish' => ['type' => 'lesson-finished', 'userId' => $user,
                              'lesson' => LESSONS[$n] ?? null]];

    default:
        return ['ack' => ['ok' => false, 'reason' => 'unknown action']];
    }
}

header('Content-Type: application/json');
echo json_encode(answer(json_decode(file_get_contents('php://input'))));
