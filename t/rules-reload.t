#!/usr/bin/perl

# New rules hold for the clients of old workers, however long these drain.

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

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))->plan(38);

my $secret = 'a secret of at least 32 bytes, better random';
my $follow = qr/the clients of this worker follow the rules of the new/;

my $rules = <<'EOF_RULES';
        channel tasks  { default on; }
        channel other  { default on; }
        channel extra  { roles admin; }

        event task   { channel tasks; }
        event other  { channel other; }
        event extra  { channel extra; }
        event mark   { channel tasks; }
EOF_RULES

write_rules($t, $rules);
$t->run();

my $admin = client($t, 'admin');
my $user = client($t, 'user');
my $picky = client($t, 'admin');

is(ask($admin, subscribe => channel => 'extra')->{type}, 'ack',
    'a client subscribes a channel');
is(ask($picky, subscribe => channel => 'tasks',
                   filter => { n => [ 1, 2 ] })->{type}, 'ack',
    'another filters');
is(ask($picky, subscribe => channel => 'extra',
                   filter => { n => 3 })->{type}, 'ack', 'two channels');
is(ask($picky, unsubscribe => channel => 'other')->{type}, 'ack',
    'and gives up a third');

my @all = map { { type => $_, n => 1, cost => 5, note => 'x' } }
          qw/ task other extra /;

is(seen($t, $admin, @all), 'task:cost,n,note other:cost,n,note '
    . 'extra:cost,n,note', 'one sees all');
is(seen($t, $user, @all), 'task:cost,n,note other:cost,n,note',
    'one what everyone does');
is(seen($t, $picky, @all), 'task:cost,n,note', 'one what it filters');

# the same again

reload_rules($t, $rules);
is(seen($t, $user, @all), 'task:cost,n,note other:cost,n,note',
    'with the same rules it goes on');
is(scalar(grep { /$follow/ } log_lines($t)), 0,
    'and nothing is said of them');

# a field that is hidden by role

(my $new = $rules)
    =~ s/(event task .*tasks;)/$1 redact cost unless_role=admin;/;
reload_rules($t, $new);

is(seen($t, $user, @all), 'task:n,note other:cost,n,note',
    'a field is hidden by role at once');
is(seen($t, $admin, @all), 'task:cost,n,note other:cost,n,note '
    . 'extra:cost,n,note', 'from others');
my $lines = grep { /$follow/ } log_lines($t);
ok($lines >= 1 && $lines <= workers(), 'each old worker says so once');

# these again: nothing to follow for whoever follows them already

reload_rules($t, $new);
seen($t, $user, @all);
is(scalar(grep { /$follow/ } log_lines($t)), $lines,
    'who follows the same rules already says nothing');

# a field that is hidden from everyone, and channels in another order

$new = <<'EOF_RULES';
        channel extra   { roles admin; }
        channel before  { default on; }
        channel tasks   { }
        channel other   { default on; }

        event before  { channel before; }
        event mark    { channel tasks; }
        event extra   { channel extra; }
        event other   { channel other; roles admin; }
        event task    { channel tasks; redact note; }
        event new     { channel tasks; }
EOF_RULES

reload_rules($t, $new);

my @more = (@all, { type => 'new', n => 2 }, { type => 'before', n => 1 },
            { type => 'task', n => 3 }, { type => 'extra', n => 3 });

is(seen($t, $admin, @more), 'task:cost,n other:cost,n,note extra:cost,n,note '
    . 'new:n task:n extra:n', 'channels keep their names in another order');
is(seen($t, $user, @more), 'task:cost,n new:n task:n',
    'an event gets roles, another type is new');
is(seen($t, $picky, @more), 'task:cost,n new:n extra:n',
    'filters keep their channels');
is(ask($user, subscribe => channel => 'before')->{type}, 'ack',
    'a channel that is new can be subscribed');
is(ask($user, unsubscribe => channel => 'before')->{type}, 'ack',
    'and given up');

# a channel is gone, and comes back

($new = $new) =~ s/channel extra .*\n|event extra .*\n//g;
reload_rules($t, $new);

is((publish($t, { type => 'extra' }))[0], 422, 'a type is gone');
is(ask($admin, subscribe => channel => 'extra')->{code},
    'unknown_channel', 'and a channel');
is(seen($t, $admin, @all[0, 1]), 'task:cost,n other:cost,n,note',
    'the others are there');

reload_rules($t, $rules);
is(seen($t, $admin, @all), 'task:cost,n,note other:cost,n,note',
    'one that comes back is not subscribed');
is(ask($admin, subscribe => channel => 'extra')->{type}, 'ack',
    'but can be');
is(seen($t, $admin, @all), 'task:cost,n,note other:cost,n,note '
    . 'extra:cost,n,note', 'and arrives');
is(seen($t, $picky, $all[0], { type => 'task', n => 3 }), 'task:cost,n,note',
    'a filter is kept over all that');

# a channel loses its role, and gets one

($new = $rules) =~ s/ roles admin;//;
$new =~ s/channel other  \{/channel other { roles admin;/;
reload_rules($t, $new);

is(ask($user, subscribe => channel => 'extra')->{type}, 'ack',
    'a channel that lost its role is for everyone');
is(seen($t, $user, @all), 'task:cost,n,note extra:cost,n,note',
    'one that got one is not');
is(ask($user, unsubscribe => channel => 'extra')->{type}, 'ack',
    'it is given up again');

# two reloads in a row

my ($first, $second) = ($rules, $rules);
$first =~ s/(event task .*tasks;)/$1 redact cost;/;
$second =~ s/(event task .*tasks;)/$1 redact note;/;

write_rules($t, $first);
$t->reload();
write_rules($t, $second);
$t->reload();
wait_for(sub { seen($t, $user, @all) =~ /^task:cost,n / });
is(seen($t, $user, @all), 'task:cost,n other:cost,n,note',
    'of two reloads in a row the last one counts');

# a wrong one

wait_for(sub { worker_pids($t) == workers() });

my @workers = worker_pids($t);
write_rules($t, "$second redact;");
$t->reload();
wait_for(sub { $t->find_in_file('error.log', qr/\[emerg\].*redact/) });
is(seen($t, $user, @all), 'task:cost,n other:cost,n,note',
    'a wrong configuration changes nothing');
is(join(' ', worker_pids($t)), "@workers", 'and no worker');

kill 'KILL', $workers[0];
$t->todo_alerts(killed());
wait_for(sub { my @now = worker_pids($t);
               @now == workers() && !grep { $_ == $workers[0] } @now });
is(seen($t, $user, @all), 'task:cost,n other:cost,n,note',
    'nor does a worker that dies after it');

# too many of them for their room

my @old = map { client($t, 'user') } 1 .. 10;
my $room = join '', map { "event $_ { require " . 'x' x 250 . "; }\n" }
                    map { "large$_" } 1 .. 100;

reload_rules($t, $rules . $room);
is(join(' ', map { ($_->expect_close())[0] } $admin, $user, $picky, @old),
    join(' ', (1012) x 13), 'for rules without room clients are sent on');
cmp_ok(scalar(grep { /have outgrown their place/ } log_lines($t)), '==', 1,
    'which is said once');

my $ws = client($t, 'user');
is(seen($t, $ws, @all), 'task:cost,n,note other:cost,n,note',
    'where they come to the new rules hold');
is((publish($t, { type => 'large100', x => 1 }))[0], 422,
    'all of them');

reload_rules($t, $first);
is(seen($t, $ws, @all), 'task:n,note other:cost,n,note',
    'they follow again once there is room');
is_deeply([ map { $_->faults() } $admin, $user, $picky, $ws, @old ], [],
    'no client finds a fault');


sub client {
    my ($nginx, $role) = @_;

    my $ws = ws_connect($nginx, '/',
                        token => jwt({ sub => 'ann', role => $role },
                                     key => $secret));
    $ws->recv_until('welcome') or die "no welcome\n";

    return $ws;
}


# The answer to a command.
sub ask {
    my ($ws, $type, %fields) = @_;
    return $ws->command({ type => $type, %fields });
}


# The events that a client gets of some, each as "type:fields".
sub seen {
    my ($nginx, $ws, @events) = @_;
    my @seen;

    $ws->take();

    my ($status, $answer) = publish($nginx, [ @events, { type => 'mark',
                                                         n => 1 } ]);
    my $last = $answer->{eventIds}[-1] or return "status $status";

    while (my $event = $ws->recv_json()) {
        my $type = delete $event->{type};

        return join ' ', @seen if $event->{eventId} eq $last;

        my ($mine) = grep { $_ eq $event->{eventId} } @{$answer->{eventIds}};
        delete @$event{qw/ timestamp eventId /};
        push @seen, "$type:" . join ',', sort keys %$event if $mine;
    }

    return "@seen, and no end";
}


sub log_lines {
    my ($nginx) = @_;
    return split /\n/, $nginx->read_file('error.log');
}


sub reload_rules {
    my ($nginx, $text) = @_;

    write_rules($nginx, $text);
    reload_workers($nginx) or die "no new workers\n";
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
        drain    10m;

$text
    }

    conductor_jwt_key     HS256 "$secret";
    conductor_limit_conn  off;

    server {
        listen 127.0.0.1:8080;

        location /        { conductor h; }
        location /publish { conductor_publish h; conductor_auth off; }
    }
}

EOF_CONF

}
