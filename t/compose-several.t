#!/usr/bin/perl

# The compose file of two servers behind a load balancer, as it is: clients
# reach both, what is published anywhere comes to all, and the servers know who
# comes, whatever he says.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use JSON::PP qw//;

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::Conductor::Compose;
use Test::Conductor::Net;
use Test::Conductor::Roam;

select STDERR; $| = 1;
select STDOUT; $| = 1;

own_network();

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy realip /))
    ->has_daemon('redis-server')->has_daemon('redis-cli')
    ->has_daemon('curl')->plan(32);

my $file = 'conf-examples/compose-several.yaml';
my $key = 'a secret of at least thirty-two bytes';
my %token = map { $_ => jwt({ sub => $_, role => $_ }, key => $key) }
                qw/ system architect /;

my ($none, $said) = compose_config($t, [ $file ]);

is($none, undef, 'without a secret there is no start');
like($said, qr/add JWT_SECRET=\.\.\. to \.env.* openssl rand -hex 32/,
    'and what is missing is said');

my $c = compose($t, [ $file ], JWT_SECRET => $key)->up();
my ($redis, @server) = map { $c->service($_) }
                           qw/ redis app-server-1 app-server-2 /;

ok(wait_for(sub { !grep { !joined($t, port => $_) } 80, 5111, 5112 }),
   'two servers are one hub, on ports 5111 and 5112, and 80 leads to them')
    or diag(map { $_->err() } @server);

# Ports are published as the file says.

like(server_of($t, port => 5111), qr/^app-server-1-/, '5111 is the first');
like(server_of($t, port => 5112), qr/^app-server-2-/, '5112 the second');
is(redis_cli('127.0.0.1', 'PING'), 'PONG', 'Redis is there for this machine');
is(redis_cli('192.0.2.1', 'PING'), '', 'and for nobody else');

###############################################################################

# Clients of 20 addresses, through the balancer, from outside.

my $roam = roam($t, key => $key, clients => 20, to => port(80),
                net => '192.0.2',
                at => [ peer => '192.0.2.1', port => 80 ]);

is($roam->connected(), 20, 'clients connect through the balancer');
like($roam->servers(), qr/^app-server-1-\w+ app-server-2-\w+$/,
    'to both of the servers');

$roam->events(10);
ok($roam->complete(), 'what is published through it comes to all');

for my $port (5111, 5112) {
    is((publish($t, task($port), port => $port, token => $token{system}))[0],
       200, 'something is published at one server') and $roam->expect($port);
}

ok($roam->complete(), 'and comes to the clients of both');
cmp_ok(redis_cli('127.0.0.1', 'PUBLISH', 'tasks:updates',
                 JSON::PP->new->encode(task(6379))), '>=', 1,
       'something is published in Redis');
$roam->expect(6379);
ok($roam->complete(), 'and comes to them, too');

note('result: two servers behind nginx: ', $roam->summary());

# Who they are.

my @listed = map { listed($_) } @server;

is_deeply([ sort grep { /^192/ } @listed ],
          [ sort map { $_->{source} } $roam->clients() ],
          'administrators see the addresses of the clients');
is(scalar(grep { !/^192/ } @listed), 0, 'and none of the balancer');

my ($audited) = map { audited($_, 'user1') } @server;

is($audited->{address}, '192.0.2.1', 'the audit log has them')
    or diag(explain($audited));

# A page of theirs connects, by whatever name and port the machine is reached.

my ($page, $foreign) = map {
    ws_connect(port(80), '/', peer => '192.0.2.1', token => $token{architect},
               host => 'live.example:8443', origin => "https://$_")
} qw/ live.example:8443 evil.example /;

is(($page->recv_until('welcome') || {})->{type}, 'welcome',
   'a page of their own host may connect');
is(($foreign->expect_close())[0], 4503, 'and one of another may not');

# What a client says of its own address is not believed.

for my $port (80, 5111) {
    my @answers = map { ws_connect(port($port), '/', peer => '192.0.2.1',
        source => '192.0.2.99', token => $token{architect},
        headers => [ "X-Forwarded-For: 10.9.8.$_" ]) } 1 .. 30;

    my %by = (101 => 0, 429 => 0);
    $by{$_->status()}++ for @answers;

    cmp_ok($by{429}, '>=', 10, "port $port: all are of one address");
    cmp_ok($by{101}, '<=', 20, 'and have its limit, on each server');

    is((publish($t, task(0), peer => '192.0.2.1', port => $port,
                headers => [ 'X-Forwarded-For: 127.0.0.1' ]))[0], 401,
       'nobody publishes as the server itself');
    is((api($t, 'GET', $_, peer => '192.0.2.1', port => $port,
            headers => [ 'X-Forwarded-For: 127.0.0.1' ]))[0], 403,
       "nor asks for $_") for qw{ /metrics /admin/connections };
    $_->vanish() for @answers;
}

is(($c->service('nginx')->exec(qw/ curl -s -o /, '/dev/null', '-w',
        '%{http_code}', '-H', 'X-Forwarded-For: 127.0.0.1', '-H',
        'Content-Type: application/json', '-d', JSON::PP->new->encode(task(0)),
        'http://app-server-1:5111/publish'))[1], 401,
    'nor does the balancer make somebody the server itself');

is(scalar($roam->faults()), 0, 'and nothing was wrong');

###############################################################################

sub redis_cli {
    my ($host, @command) = @_;

    open my $pipe, '-|', 'sh', '-c', 'timeout 5 redis-cli -h "$@" 2>&1', 'sh',
                         $host, @command or die "redis-cli: $!\n";
    chomp(my $said = do { local $/; <$pipe> } // '');

    return $said =~ /refused/ ? '' : $said;
}


# The addresses of the clients of a server, as it lists them to itself.
sub listed {
    my ($s) = @_;
    my ($good, $said) = $s->exec('curl', '-s',
        'http://localhost:5111/admin/connections?limit=100');

    return map { $_->{address} }
        @{JSON::PP->new->decode($said)->{connections}};
}


# The line of a server's audit log that says how a user connected.
sub audited {
    my ($s, $user) = @_;

    return grep { ($_->{user} // '') eq $user }
           map { eval { JSON::PP->new->decode($_) } // () }
           grep { /^\{/ } split /\n/, $s->out();
}
