#!/usr/bin/perl

# What was missed is given as today's role, and today's rules, let it be seen.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;
use Test::JWT;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(15);

my $secret = 'a secret of at least 32 bytes, better random';

my $rules = <<'EOF_RULES';
        channel tasks                { default on; }
        channel admin                { default on; roles admin; }
        channel admin:notifications  { default on; }

        event task  { channel tasks; redact cost unless_role=admin; }
        event lead  { channel tasks; roles lead admin; }
        event admin { channel admin; }
EOF_RULES

write_rules($t, $rules);
$t->run();

my $zero = client('user', '/')->recv_until('welcome')->{lastEventId};
my $all = 'task:cost,note lead:cost,note admin:cost,note';

publish($t, [ map { { type => $_, cost => 1, note => 'x' } }
    qw/ task lead admin / ]);

is(seen('user'), 'task:note', 'who sees little gets little');
is(seen('lead'), 'task:note lead:cost,note', 'a role has its events');
is(seen('admin'), $all, 'who sees all gets all');
is(seen('user,lead,admin'), $all, 'so does who has several roles');

# another token while the client is on hold

my $ws = client('user', '/?hold=1');
is($ws->command({ type => 'auth', token => token('admin', 'ann-user') })->{type}, 'ack',
    'a client gets another role');
is(seen($ws), $all, 'before it resumes, and sees as that');

$ws = client('admin', '/?hold=1');
$ws->command({ type => 'auth', token => token('user', 'ann-admin') });
is(seen($ws), 'task:note', 'or less than before');

# notifications for some

for my $to ('"role":"lead",', '"user":"ann-admin",', '') {
    my ($who) = $to =~ /:"(.*)"/;
    api($t, 'POST', '/admin/notifications',
        body => "{$to" . '"message":"to ' . ($who // 'all') . '"}');
}

is(join('|', notes('user')), 'to all', 'a notification is for everyone');
is(join('|', notes('lead')), 'to lead|to all', 'or for a role');
is(join('|', notes('admin')), 'to ann-admin|to all', 'or a user');

# other rules: on hold at an old worker, and at a new one

my $held = client('user', '/?hold=1');
$held->recv_until('welcome');
my $live = client('user', '/');
$live->recv_until('welcome');

$rules =~ s/redact cost unless_role=admin/redact note unless_role=admin/;
$rules =~ s/event admin \{ channel admin; \}/event admin { channel tasks; }/;
write_rules($t, $rules);
my @old = worker_pids($t);
$t->reload();
wait_for(sub { grep { my $p = $_; !grep { $_ == $p } @old }
    worker_pids($t) });
is(seen('user'), 'task:cost admin:cost,note', 'new rules hold for new clients');

ok(wait_for(sub { $held->command({ type => 'ping' });
    $t->find_in_file('error.log', qr/follow the rules/) }),
    'and for those of old workers');
is(seen($held), 'task:cost admin:cost,note', 'that resume there');

# one that is live there, and asks for other channels

is(seen($live, { channel => 'tasks' }), 'task:cost admin:cost,note',
    'or resume with other subscriptions, and had none of it');
is(seen($live, { channel => 'tasks', filter => { cost => 2 } }), '',
    'and get nothing that does not pass a filter');


# What a client sees of all events: their types and fields.
sub seen {
    my ($ws, @subscriptions) = @_;
    my @seen;

    if (ref $ws) {
        $ws->send_json({ type => 'resume', since => $zero,
            @subscriptions ? (subscriptions => \@subscriptions) : () });

    } else {
        $ws = client($ws, "/?since=$zero");
    }

    while (my $m = $ws->recv_json()) {
        return join ' ', @seen if $m->{type} eq 'resumed';
        push @seen, "$m->{type}:" . join ',', grep { /^(?:cost|note)$/ }
            sort keys %$m if ($m->{type} // '') =~ /^(?:task|lead|admin)$/;
    }

    return "no end: @seen";
}


# The notifications that a role gets.
sub notes {
    my $ws = client($_[0], "/?since=$zero");
    my @notes;

    while (my $m = $ws->recv_json()) {
        return @notes if $m->{type} eq 'resumed';
        push @notes, $m->{message} if $m->{type} eq 'admin-notification';
    }

    return 'no end';
}


sub token {
    my ($role, $user) = @_;
    return jwt({ sub => $user // "ann-$role", role => [ split /,/, $role ],
                 exp => time() + 600 }, key => $secret);
}


sub client {
    my ($role, $path) = @_;
    return ws_connect(Test::Nginx::port(8080), $path, token => token($role));
}


sub write_rules {
    my ($t, $rules) = @_;
    (my $conf = <<'EOF_CONF') =~ s/RULES\n/$rules/;

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone   4m;
        drain  60s;

RULES
    }

    conductor_limit_conn      off;
    conductor_limit_messages  off;

    server {
        listen 127.0.0.1:8080;

        location /         { conductor h;
                             conductor_jwt_key HS256 "a secret of at least 32 bytes, better random"; }
        location /admin    { conductor_admin h; }
        location /publish  { conductor_publish h; }
    }
}

EOF_CONF

    $t->write_file_expand('nginx.conf', conductor_conf($conf));
}
