#!/usr/bin/perl

# The commands of docs/troubleshooting.md, as they stand there, on a server of
# "./conductor start".

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Conductor;
use Test::Conductor::Start;
use Test::Nginx qw/ :DEFAULT port /;
use Test::WebSocket;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = Test::Nginx->new()->has(qw/ http http_ssl rewrite /)
    ->has_daemon('curl')->has_daemon('openssl')->has_daemon('sqlite3');

need_conductor($t)->plan(16);

start_conf($t);

$t->run();

my $dir = $t->testdir();
my ($token) = start_url('alice') =~ /token=(.+)/;
my $page = do {
    open my $f, '<', '../docs/troubleshooting.md' or die "the page: $!\n";
    local $/;
    <$f>;
};

wait_for(sub { (health($t))[1]{status} eq 'ok' });

like(said('First', 0), qr/^\{"status":"ok",.*"websocket":"enabled"/m,
    'the health of the server');
like(said('First', 1), qr/"figures":\{/, 'and its figures');

my $ws = ws_connect(port(8080), '/', token => $token);
$ws->recv_until('presence-list');
wait_for(sub {
    @{sql($t, 'tasks.db', 'SELECT 1 FROM reviewer_presence') || []};
});

publish($t, { type => 'task-status-changed', taskId => 'T01',
    featureSlug => 'f', oldStatus => 'a', newStatus => 'b' });
$ws->recv_until('task-status-changed');

my $good = said('A connection fails', 0, TOKEN => $token);
my $bad = said('A connection fails', 0, TOKEN => 'none');

like($good, qr/^\{"status":"ok"/m, 'it is running');
like($good, qr{^HTTP/1\.1 101 }m, 'a good token is let in');
like($good, qr/"type":"welcome".*"userId":"alice"/, 'and welcomed');
like($bad, qr/^HTTP\/1\.1 401 .*^WWW-Authenticate: .*malformed/ms,
    'a bad one is not, and why');
like($bad, qr/"code":"bad_token"/, 'with the code');

like(said('401: the token is refused', 0, TOKEN => $token),
    qr/^\{.*"sub":"alice".*\}$/m, 'what is in a token');

like(said('Events arrive slowly', 0),
    qr/^"websocket_message_latency_ms":\{"count":1,.*?"p99":\d/,
    'the latency of events');

like(said('Presence is not right', 0), qr/^alice\|online\|/m,
    'who is in the table');
is(said('Presence is not right', 0) =~ tr/\n//, 1,
    'what the other command removed was not alice');

like(said('TLS and certificates', 1), qr/^-----$/m, 'a certificate is made');

my $checked = said('TLS and certificates', 0, SSL_CERT_PATH => "$dir/cert.pem",
    SSL_KEY_PATH => "$dir/key.pem");

like($checked, qr/cert\.pem\n.*key\.pem\n/, 'its files are there');
like($checked, qr/DNS:localhost/, 'it is for this name');
like($checked, qr/^notAfter=/m, 'to that day');
like($checked, qr/^([0-9a-f]{64} .*)\n\1$/m, 'and belongs to its key');


# said($section, $n, %env): what the commands of the section's block print, in
# the directory of the start.
sub said {
    my ($section, $n, %env) = @_;
    my ($text) = $page =~ /^## \Q$section\E\n(.*?)(?=^## |\z)/ms;
    my @blocks = $text =~ /^ *```sh\n(.*?)^ *```$/msg;
    my $commands = $blocks[$n] // die "no block $n in \"$section\"\n";

    # nc may be missing here, and the start is one already

    $commands =~ s/^nc .*\n|^SSL_ENABLED=.*\n//mg;
    $commands =~ s/localhost:5111/'localhost:' . port(8080)/ge;

    local @ENV{keys %env} = values %env;

    open my $p, '-|', 'sh', '-c', "cd '$dir' && exec 2>&1\n$commands"
        or die "sh: $!\n";

    local $/;
    my $said = <$p>;

    note($commands, $said);

    return $said;
}
