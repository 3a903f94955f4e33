#!/usr/bin/perl

# A worker that is killed while it holds the lock of the zone, with what it was
# changing half changed: others wait for no longer than that, and limits count
# as before.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Zone;

select STDERR; $| = 1;
select STDOUT; $| = 1;

use constant ROUNDS => 3;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http http_ssl socket_ssl
                                                   rewrite /))
    ->has_daemon('openssl');

$t->write_file_expand('nginx.conf', conductor_conf(<<'EOF_CONF'));

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone    4m;
        history events=100 size=64k;
        channel c { default on; }
        event   e { channel c; }
    }

    conductor_identity   user=$arg_user;
    conductor_limit_conn 4;
    conductor_limit_user 3;

    server {
        listen 127.0.0.1:8080;
        listen 127.0.0.1:8443 ssl;

        ssl_certificate      %%TESTDIR%%/cert.pem;
        ssl_certificate_key  %%TESTDIR%%/key.pem;

        location / {
            conductor  h;
            add_header X-Worker $pid always;
        }

        location /publish { conductor_publish h; conductor_auth off; }
        location /health  { conductor_health h; }

        location /window {
            conductor                  h;
            conductor_limit_conn       off;
            conductor_limit_user       off;
            conductor_limit_handshakes 2 per=1h;
        }
    }
}

EOF_CONF

plan(skip_all => 'only root writes to the memory of a worker') if $> != 0;

certificate($t);

$t->plan(ROUNDS * 9 + 1);

# the master says so of who was killed while it had the lock

$t->todo_alerts(killed());

$t->run();
wait_for(sub { worker_pids($t) == workers() });

window(9);

for my $i (1 .. ROUNDS) {
    my @ann = map { as($t, "ann$i", $i, $_ % 2) } 1 .. 3;
    my @bob = map { as($t, "bob$i", $i + 10, $_ % 2) } 1 .. 2;
    $_->recv_until('welcome') for @ann, @bob;

    my $victim = $ann[0]->header('X-Worker');
    my @lost = grep { $_->header('X-Worker') == $victim } @ann, @bob;
    my @stay = grep { $_->header('X-Worker') != $victim } @ann, @bob;

    ok(hold($victim), 'a worker has the lock');

    my $waits = ws_connect($t, "/?user=bob$i", source => '127.0.0.' . ($i + 10),
                           wait => 0);
    kill 'KILL', $victim;

    $waits->handshake();
    is($waits->status() // 'none', 101, 'when it is killed others get it');
    ok(wait_for(sub { $t->find_in_file('error.log',
        qr/was\ locked\ by\ $victim\b/x) }), 'it was the lock of the zone');
    ok(wait_for(sub { (health($t))[1]{connections} == @stay + 1 }),
        'all that was its own is given back, and nothing else');
    is(scalar(() = $t->read_file('error.log') =~ /repairing it/g), $i,
        'by one repair');

    my $there = grep { $_ == $ann[0] || $_ == $ann[1] || $_ == $ann[2] } @stay;
    my @more = map { as($t, "ann$i", $i, $_ % 2) } 1 .. 4 - $there;

    is(statuses(@more), '101 ' x (3 - $there) . '429',
        'a user has as many places as before');
    is(statuses(as($t, "eve$i", $i), as($t, "eve$i", $i)), '101 429',
        'so has an address');
    is(statuses(map { window(9) } 1, 2), $i == 1 ? '101 429' : '429 429',
        'and a window goes on');

    publish($t, { type => 'e', n => $i });
    is(join(' ', map { $_->recv_until('e')->{n} } @stay, $waits),
        join(' ', ($i) x (@stay + 1)), 'an event reaches all');

    $_->drop() for @stay, @more, $waits;
    wait_for(sub { (health($t))[1]{connections} == 0 });
    wait_for(sub { worker_pids($t) == workers() });
}

is((health($t))[1]{connections}, 0, 'all have left');


# Has a worker die with the lock: it stands still without it, and gets it, with
# the mark that it changes the zone, and tables of which nothing fits.
sub hold {
    my ($pid) = @_;

    return wait_for(sub {
        kill 'STOP', $pid;
        wait_for(sub { state($pid) eq 'T' });

        my $zone = Test::Conductor::Zone->new($pid)
            or BAIL_OUT('the layout has changed');

        if (!$zone->set_locked($pid)) {
            kill 'CONT', $pid;
            return 0;
        }

        $zone->set_dirty();
        $zone->spoil(@$_) for $zone->tables();
        return 1;
    });
}


sub as {
    my ($nginx, $user, $n, $ssl) = @_;
    return ws_connect($nginx, "/?user=$user", source => "127.0.0.$n",
                      ssl => $ssl);
}


sub window {
    my ($n) = @_;
    return ws_connect(port(8080), '/window?user=w', source => "127.0.0.$n");
}


sub statuses {
    return join ' ', map { $_->status() // 0 } @_;
}


# What a process does, as the kernel has it.
sub state {
    my ($pid) = @_;

    open my $f, '<', "/proc/$pid/stat" or return '';
    return <$f> =~ /\) (\S)/ ? $1 : '';
}


# A certificate of nobody.
sub certificate {
    my ($nginx) = @_;
    my $d = $nginx->testdir();

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
           . " -nodes -subj /CN=localhost -days 2 -keyout $d/key.pem"
           . " -out $d/cert.pem >/dev/null 2>&1") == 0
        or die "openssl failed\n";
}
