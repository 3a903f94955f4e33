#!/usr/bin/perl

# A module built against SQLCipher: with a key, nothing that is kept can be
# read by whoever has the files, and another key opens none of them.

use warnings;
use strict;

use File::Find qw/ find /;
use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

# instead of the module that the other tests load

BEGIN {
    my $module = $ENV{TEST_NGINX_ENCRYPTING} // '';

    $ENV{TEST_NGINX_GLOBALS} = ($ENV{TEST_NGINX_GLOBALS} // '')
        =~ s{load_module\s+[^;]*ngx_conductor_module\.so\s*;}
            {-f $module ? "load_module $module;" : ''}er;
}

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

skip_all('no module is built against SQLCipher: install libsqlcipher-dev')
    unless -f ($ENV{TEST_NGINX_ENCRYPTING} // '');

my $t = need_conductor(Test::Nginx->new()->has(qw/ http rewrite /)
    ->has_daemon('sqlcipher'))->plan(17);

my $key = "it's a passphrase of somebody";
my $seen = 'readable-by-anybody';

my $conf = conductor_conf(<<'EOF_CONF');

%%TEST_GLOBALS%%

daemon off;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        zone      8m;
        history   events=100 size=64k;
        state     %%TESTDIR%%/state snapshot=1s;
        presence  tasks.db leave=100ms key=file:key;

        channel  c { default on; }
        event    e { channel c; }
    }

    server {
        listen 127.0.0.1:8080;

        location / { conductor h; conductor_identity user=$arg_user role=$arg_role; }

        location /publish  { conductor_publish h; }
        location /presence { conductor_presence h; }
        location /health   { conductor_health h; }
        location /admin    { conductor_admin h; }
    }
}

EOF_CONF

$t->write_file('key', $key);
$t->write_file_expand('nginx.conf', $conf);

$t->run();
ok(wait_for(sub { (health($t))[1]{database} eq 'ok' }),
    'there is a database with a key');

my $ws = ws_connect($t, "/?user=user-$seen&role=role-$seen");
$ws->recv_until('welcome');
$ws->command({ type => 'presence-update', currentFeature => "feature-$seen" });

is((publish($t, { type => 'e', text => "event-$seen" }))[0], 200,
    'an event is published');
is((api($t, 'POST', '/admin/revocations',
    body => "{\"user\":\"revoked-$seen\",\"until\":4000000000000}"))[0], 200, 'somebody is revoked');

ok(wait_for(sub {
    my ($answer) = (api($t, 'GET', '/presence/history?by=feature'))[1];
    return grep { ($_->{feature} // '') eq "feature-$seen" }
        @{$answer->{items}};
}), 'what is in the database can be asked for');

ok(wait_for(sub { -s $t->testdir() . '/state/events'
                  && -s $t->testdir() . '/state/revocations' }),
    'and the state is kept');

is_deeply([ readable() ], [], 'no file has any of it in clear');
ok((grep { /tasks\.db-wal$/ } kept()) && (grep { /tasks\.db-shm$/ } kept()),
    'nor has the log of the database, or its index');

is(cipher('SELECT status, current_feature FROM reviewer_presence'),
    "online|feature-$seen\n", 'with the key the table can be read');
unlike(cipher('SELECT * FROM reviewer_presence', 'another key'),
    qr/$seen/, 'with another one it cannot');

$t->stop();

is_deeply([ readable() ], [], 'after it has stopped nothing is in clear');

# the same key

$t->run();
ok(wait_for(sub { (health($t))[1]{database} eq 'ok' }),
    'with the same key it starts again');

$ws = ws_connect($t, '/?user=next&since=0');
is($ws->recv_until('welcome') && 1, 1, 'and has clients');
$t->stop();

# another key

$t->write_file('key', 'another key');
$t->run();

my $health;
ok(wait_for(sub {
    $health = (health($t))[1];
    return ($health->{databaseError} // '') =~ /that this key opens/;
}), 'with another key the health says that it is another one');
is($health->{database}, 'failed', 'and that the database fails');

$ws = ws_connect($t, '/?user=ann');
is($ws->recv_until('welcome') && 1, 1, 'clients are taken');
is((publish($t, { type => 'e', text => 'one' }))[0], 200, 'and events');

$t->stop();

$t->write_file('key', $key);
$t->run();
ok(wait_for(sub { (health($t))[1]{database} eq 'ok' }),
    'the right key opens it again');


# What the server has written, but for its logs, and what was given to it.
sub kept {
    my @files;

    find({ no_chdir => 1, wanted => sub {
        push @files, $_ if -f && !m{/(?:\w+\.log|key|nginx\.(?:conf|pid))$};
    } }, $t->testdir());

    return @files;
}


# The files that tell something to who has no key.
sub readable {
    my $re = qr/$seen|reviewer_presence|SQLite format/;

    return grep {
        open my $file, '<:raw', $_ or die "$_: $!\n";
        local $/;
        (<$file> // '') =~ $re;
    } kept();
}


# What the program sqlcipher says.
sub cipher {
    my ($query, $other) = @_;
    my $quoted = ($other // $key) =~ s/'/''/gr;

    $t->write_file('query.sql', "PRAGMA key = '$quoted';\n$query;\n");

    my $dir = $t->testdir();
    my $said = `sqlcipher -batch $dir/tasks.db < $dir/query.sql 2>&1`;

    unlink "$dir/query.sql";

    return $said =~ s/^ok\n//r;
}
