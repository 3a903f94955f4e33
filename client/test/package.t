#!/usr/bin/perl

# The package as npm packs it, in a project of somebody else's.

use warnings;
use strict;

use File::Temp qw/ tempdir /;
use JSON::PP qw//;
use Test::More;

use lib 't/lib';
use Test::Client;

need_packages();

plan(skip_all => 'npm is not installed')
    unless grep { -x "$_/npm" } split /:/, $ENV{PATH};

my $project = tempdir(CLEANUP => 1);

my @packed = npm($CLIENT, 'pack', '--json', '--ignore-scripts',
    '--pack-destination', $project);

my ($tar) = glob("$project/*.tgz");
ok($tar, 'npm packs the package') or diag(@packed);

my @files = map { chomp; s{^package/}{}r } `tar -tzf $tar`;

is_deeply([ grep { !m{^(?:package\.json|LICENSE|README\.md|dist/.*)$} }
    @files ], [], 'of what is in it, all is what it is for');

ok(!scalar(grep { !m{\.(?:js|d\.ts|css|json|md)$|^LICENSE$} } @files),
    'code, types and styles');

write_file('package.json', '{ "private": true, "type": "module" }');

my @installed = npm($project, 'install', '--offline', '--ignore-scripts',
    $tar);
ok(-e "$project/node_modules/ngx-conductor-client/package.json",
    'it installs without a network, as it needs no other') or diag(@installed);

my $own = JSON::PP->new->decode(
    slurp("$project/node_modules/ngx-conductor-client/package.json"));
ok(!$own->{dependencies}, 'it has no dependency');


# In Node.

write_file('plain.mjs', <<'EOF_JS');

import { createClient } from 'ngx-conductor-client';

const client = createClient({ url: 'ws://127.0.0.1:1/' });
console.log(client.state.status);
EOF_JS

is(run('plain.mjs'), "idle\n", 'Node imports it');

link_packages(qw{ react @types/react csstype });

write_file('react.mjs', <<'EOF_JS');

import * as react from 'ngx-conductor-client/react';

console.log(Object.keys(react).sort().join(' '));
EOF_JS

my $names = run('react.mjs');

like($names, qr/\b$_\b/, "$_ is in the React part")
    for qw{ ConductorProvider useWebSocket usePresence useEvents
            useOfflineQueue useConnectionQuality ReviewerPresence
            ConnectionQualityBadge ConnectionQualityCard };

write_file('style.mjs', <<'EOF_JS');

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const style = createRequire(import.meta.url)
  .resolve('ngx-conductor-client/react/style.css');

console.log(readFileSync(style, 'utf8').includes('.conductor-'));
EOF_JS

is(run('style.mjs'), "true\n", 'the styles can be found');


# To the compiler.

write_file('page.tsx', <<'EOF_TS');

import { createClient, createQueue, type EventBase }
  from 'ngx-conductor-client';
import { useWebSocket } from 'ngx-conductor-client/react';

declare module 'ngx-conductor-client' {
  interface EventMap {
    'build-finished': EventBase & { build: number };
  }
}

const client = createClient({ url: 'ws://localhost:5111' });
createQueue(client);

client.on('task-status-changed', (e) => e.newStatus.toUpperCase());
client.on('build-finished', (e) => e.build.toFixed());

// @ts-expect-error there is no such field
client.on('build-finished', (e) => e.bild);

export function Status() {
  const ws = useWebSocket({ url: 'ws://localhost:5111' });

  return <p>{ws.status}{ws.queueSize}</p>;
}
EOF_TS

for my $way (qw/ NodeNext Bundler /) {
    my $module = $way eq 'NodeNext' ? $way : 'ESNext';

    write_file('tsconfig.json', JSON::PP->new->encode({
        compilerOptions => {
            strict => JSON::PP::true, noEmit => JSON::PP::true,
            target => 'es2021', jsx => 'react-jsx', types => [],
            module => $module, moduleResolution => $way,
        },
    }));

    my ($status, $said) = node('typescript/lib/tsc.js', '-p', $project);
    is($status, 0, "its types are found by $way") or diag($said);
}

done_testing();


sub npm {
    my ($dir, @arguments) = @_;

    my $pid = open my $out, '-|';
    defined $pid or die "fork: $!\n";

    if (!$pid) {
        chdir $dir or die "$dir: $!\n";
        open STDERR, '>&', \*STDOUT;
        exec 'npm', @arguments, '--no-audit', '--no-fund', '--loglevel=error'
            or die "npm: $!\n";
    }

    return <$out>;
}


sub run {
    my ($name) = @_;
    my ($status, $said) = node("$project/$name");

    return $said;
}


# What the project has of others.
sub link_packages {
    for my $name (@_) {
        my ($scope) = $name =~ m{^(@[^/]+)/};

        mkdir "$project/node_modules/$scope" if $scope;
        symlink "$CLIENT/node_modules/$name", "$project/node_modules/$name"
            or die "$name: $!\n";
    }
}


sub write_file {
    my ($name, $text) = @_;
    open my $fh, '>', "$project/$name" or die "$name: $!\n";
    print $fh $text;
    close $fh;
}


sub slurp {
    my ($name) = @_;
    open my $fh, '<', $name or die "$name: $!\n";
    local $/;
    return scalar <$fh>;
}
