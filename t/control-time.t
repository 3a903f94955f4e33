#!/usr/bin/perl

# What one server of a hub is asked to do with clients of another one is done
# within a second: from the line in its audit log until a client notices.

use warnings;
use strict;

use JSON::PP;
use Test::More;
use Time::HiRes ();
use Time::Local qw/ timegm /;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Redis;
use Test::Conductor::Servers;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /)
                           ->has_daemon('redis-server'))->plan(5);

my $redis = redis($t);

my ($one, $two) = servers($t, 2, <<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone 16m;
        name node-%%N%%;
        state %%TESTDIR%%/state;
        history events=1000 size=256k;
        redis redis://127.0.0.1:8379;
        audit_log audit.log;
        channel c { default on; }
        channel admin:notifications { default on; }
    }

    conductor_limit_conn off;

    server {
        listen 127.0.0.1:8080;

        location /       { conductor h;
                           conductor_identity user=$arg_user role=writer; }
        location /health { conductor_health h; }
        location /admin  { conductor_admin h; }
    }
}

EOF_CONF

ok(hub_is('connected', undef, $one, $two), 'two servers are one hub');

my %ws = map { $_ => ws_connect($two, "/?user=u$_") } 1 .. 21;
my %id = map { $_ => $ws{$_}->recv_until('welcome')->{connectionId} } 1 .. 21;
my $hours = (time() + 3600) * 1000;
my @took;

# one after the other, so that none waits for another

for my $n (1 .. 7) {
    api($one, 'DELETE', "/admin/connections/$id{$n}");
    push @took, closed($n, 1000) - asked('target', $id{$n});
}

is(scalar @took, 7, 'clients of another server are disconnected');

for my $n (8 .. 14) {
    api($one, 'POST', '/admin/revocations',
        body => qq({"user":"u$n","until":$hours}));
    push @took, closed($n, 4500) - asked('targetUser', "u$n");
}

is(scalar @took, 14, 'or revoked');

for my $n (15 .. 21) {
    my (undef, $said) = api($one, 'POST', '/admin/notifications',
                            body => qq({"message":"m","user":"u$n"}));
    my $came = $ws{$n}->recv_until('admin-notification');
    my $now = $came && $came->{eventId} eq $said->{eventId} ? now() : 1e15;
    push @took, $now - asked('eventId', $said->{eventId});
}

is(scalar @took, 21, 'or notified');

@took = sort { $a <=> $b } @took;
note('ms: ' . join ' ', @took);

# the machine may stand still now and then, but not most of the time

cmp_ok($took[10], '<', 1000, 'within a second');

$_->stop() for $two, $one;


# When the first server was asked for it.
sub asked {
    my ($name, $value) = @_;

    return wait_for(sub {
        my ($line) = grep { ($_->{$name} // '') eq $value } lines();
        return $line && ms($line);
    }) || 0;
}


# When a client was told to go, with this code; it goes.
sub closed {
    my ($n, $code) = @_;
    my ($got) = $ws{$n}->expect_close();

    return ($got // 0) == $code ? now() : 1e15;
}


# The audit log of the server that is asked.
sub lines {
    return map { decode_json($_) } grep { /\n$/ }
           split /(?<=\n)/, $one->read_file('audit.log');
}


# The time of a line, in Unix milliseconds.
sub ms {
    my ($y, $mon, $d, $h, $min, $s, $ms) = $_[0]{time} =~ /(\d+)/g;

    return timegm($s, $min, $h, $d, $mon - 1, $y) * 1000 + $ms;
}


sub now {
    return int(1000 * Time::HiRes::time());
}
