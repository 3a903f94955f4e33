#!/usr/bin/perl

# An old worker stores nothing by its old rules once there are new ones.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(12);

my $rules = 'event e { publish_roles system; }';

write_rules($t, $rules);
$t->run();

is((old_publish($t, 'event e { redact secret; }', 'HIDDEN-1'))[0], 200,
    'an old worker takes an event');
is(in_zone($t, 'KEPT'), 1, 'it is stored');
is(in_zone($t, 'HIDDEN-1'), 0, 'without what the new rules redact');

is((old_publish($t, 'event e { require other; }', 'HIDDEN-2'))[0], 422,
    'an old worker refuses what the new rules do not take');
is((old_publish($t, 'event f { }', 'HIDDEN-3'))[0], 422,
    'or do not know');

# rules that it cannot know

my $room = join '', map { "event $_ { require " . 'x' x 250 . "; }\n" }
                    map { "large$_" } 1 .. 100;

my ($status, $head) = old_publish($t, "event e { redact secret; } $room",
                                  'HIDDEN-4');
is($status, 503, 'where it cannot know them it takes nothing');
like($head, qr/^Retry-After: \d/m, 'and says when to try again');
is((publish($t, { type => 'e', secret => 'HIDDEN-5' }))[0], 200,
    'a new worker does');

# the same by a client of theirs, whom they send on for that

my ($ws, @said) = old_command($t, "event e { redact secret; } $room");
is(join(' ', map { $_->{type} } @said), '',
    'a client is sent on before it is answered');
is(($ws->expect_close())[0], 1012, 'by a close frame');
is($ws->recv_frame(), undef, 'which nothing follows');

is(in_zone($t, 'HIDDEN-[1-6]'), 0, 'none of it is in the zone');


# A client, and what it gets for an event that an old worker reads after new
# rules are there.
sub old_command {
    my ($nginx, $new) = @_;

    wait_for(sub { worker_pids($nginx) == workers() });
    write_rules($nginx, $rules);
    reload_workers($nginx) or die "no new workers\n";

    my $client = ws_connect($nginx, '/?user=ann&role=system');
    $client->recv_until('welcome') or die "no welcome\n";

    while_stopped($nginx, $new, sub {
        $client->send_json({ type => 'publish', id => 1,
                             event => { type => 'e', secret => 'HIDDEN-6' } });
    });

    my @said;
    while (my $message = $client->recv_json()) {
        push @said, $message;
    }

    return ($client, @said);
}


# A request that the old workers get the end of after new rules are there.
sub old_publish {
    my ($nginx, $new, $value) = @_;
    my $body = qq({"type":"e","kept":"KEPT","secret":"$value"});

    wait_for(sub { worker_pids($nginx) == workers() });
    write_rules($nginx, $rules);
    reload_workers($nginx) or die "no new workers\n";

    my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                     PeerPort => port(8080))
        or die "connect: $!\n";

    print $sock "POST /publish HTTP/1.1\x0d\x0aHost: localhost\x0d\x0a"
        . "Connection: close\x0d\x0aContent-Length: " . length($body)
        . "\x0d\x0a\x0d\x0a" . substr $body, 0, 5;

    wait_for(sub { accepted($sock) });

    my @old = while_stopped($nginx, $new,
                            sub { print $sock substr $body, 5 });
    my $answer = do { local $/; <$sock> } // '';
    close $sock;
    wait_gone(\@old);

    my ($code) = $answer =~ m!^HTTP/1\.1 (\d+)!;

    return ($code // 'none', $answer);
}


# Something sent to old workers that stand still until there are new rules.
sub while_stopped {
    my ($nginx, $new, $send) = @_;
    my @old = worker_pids($nginx);
    my %old = map { $_ => 1 } @old;

    halt(@old);
    write_rules($nginx, $new);
    $nginx->reload();
    wait_for(sub { workers() == grep { !$old{$_} } worker_pids($nginx) })
        or die "no newer workers\n";
    $send->();
    kill 'CONT', @old;

    return @old;
}


# Has the server read all that was sent?
sub accepted {
    my ($sock) = @_;
    my $peer = sprintf ':%04X', $sock->sockport();

    open my $f, '<', '/proc/net/tcp' or die "tcp: $!\n";

    while (my $line = <$f>) {
        my @fields = split ' ', $line;

        return 1 if $fields[2] =~ /\Q$peer\E$/ && $fields[4] =~ /:0+$/
                    && $fields[9] != 0;
    }

    return 0;
}


# Whether the memory that the workers share has it.
sub in_zone {
    my ($nginx, $pattern) = @_;
    return shared_memory($nginx) =~ /$pattern/ ? 1 : 0;
}


sub write_rules {
    my ($nginx, $text) = @_;

    $nginx->write_file_expand('nginx.conf', conductor_conf(<<"EOF_CONF"));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone     8m;
        history  events=1000 size=256k;

        channel c { default on; }
        $text
    }

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h;
                            conductor_identity user=\$arg_user role=\$arg_role; }
        location /publish { conductor_publish h; }
    }
}

EOF_CONF

}
