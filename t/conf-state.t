#!/usr/bin/perl

# "state" and "presence" of a hub: what nginx -t refuses, and what it warns of.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $time = qr/time from 1s to 100 years/;
my $twice = qr/given twice/;

my @wrong = (
    [ 'state ""', 'state', '', qr/a directory has a name/ ],
    [ 'state a; state b', 'state', undef, qr/is duplicate/ ],
    [ 'state', 'state', undef, qr/invalid number of arguments/ ],
    [ 'state s often', 'state', 'often', qr/expected "snapshot="/ ],
    [ 'state s snapshot=99ms', 'state', 'snapshot=99ms', qr/from 100ms/ ],
    [ 'state s snapshot=x', 'state', 'snapshot=x', qr/from 100ms/ ],
    [ 'state none/s', 'state', 'none/s', qr/made in does not exist/ ],
    [ 'state file', 'state', 'file', qr/it is not a directory/ ],
    [ 'state file/s', 'state', 'file/s', qr/made in/ ],
    [ 'state used', 'state', 'used', qr/hub "h" is that of hub "other"/ ],
    [ 'state ./used/', 'state', 'used', qr/is that of hub "other"/ ],

    [ 'presence', 'presence', undef, qr/invalid number of arguments/ ],
    [ 'presence off; presence off', 'presence', undef, qr/is duplicate/ ],
    [ 'presence ""', 'presence', '', qr/a file has a name/ ],
    [ 'presence off ttl=1m', 'presence', 'ttl=1m', qr/nothing follows "off"/ ],
    [ 'presence dir', 'presence', 'dir', qr/it is a directory/ ],
    [ 'presence dir/', 'presence', 'dir/', qr/it is a directory/ ],
    [ 'presence none/x', 'presence', 'none/x', qr/directory does not exist/ ],
    [ 'presence file/x', 'presence', 'file/x', qr/directory/ ],
    [ 'presence pipe', 'presence', 'pipe', qr/it is not a file/ ],
    [ 'presence used.db', 'presence', 'used.db', qr/is that of hub "other"/ ],
    [ 'presence link.db', 'presence', 'link.db', qr/is that of hub "other"/ ],
    [ 'presence x.db', 'state', 'x.db.state', qr/it is not a directory/ ],
    [ 'presence memory key=env:KEY', 'presence', undef,
      qr/nothing to encrypt/ ],

    [ 'presence memory x=1', 'presence', 'x=1', qr/expected "ttl=", / ],
    [ 'presence memory 1', 'presence', '1', qr/expected "ttl=", / ],
    [ 'presence memory ttl=0', 'presence', 'ttl=0', $time ],
    [ 'presence memory ttl=1x', 'presence', 'ttl=1x', $time ],
    [ 'presence memory ttl=101y', 'presence', 'ttl=101y', $time ],
    [ 'presence memory sweep=', 'presence', 'sweep=', $time ],
    [ 'presence memory leave=x', 'presence', 'leave=x', qr/at most a year/ ],
    [ 'presence memory leave=2y', 'presence', 'leave=2y', qr/at most a year/ ],
    [ 'presence memory list=0', 'presence', 'list=0', qr/1 to 10000/ ],
    [ 'presence memory list=10001', 'presence', 'list=10001',
      qr/1 to 10000/ ],
    [ 'presence memory diff=0', 'presence', 'diff=0', qr/1 to 10000000/ ],
    [ 'presence memory tick=9ms', 'presence', 'tick=9ms', qr/10ms to 10s/ ],
    [ 'presence memory tick=11s', 'presence', 'tick=11s', qr/10ms to 10s/ ],
    [ 'presence memory history=0', 'presence', 'history=0',
      qr/"off" or a time/ ],
    [ 'presence memory key=secret', 'presence', 'key=secret',
      qr/"env:NAME" or "file:PATH"/ ],
    [ 'presence memory key=file:none', 'presence', 'file:none',
      qr/cannot open/ ],
    [ 'presence memory key=env:NONE_OF_THAT', 'presence',
      'env:NONE_OF_THAT', qr/no such variable/ ],
    [ 'presence memory ttl=1m ttl=1m', 'presence', 'ttl=1m', $twice ],
    [ 'presence memory history=off history=1d', 'presence', 'history=1d',
      $twice ],
);

my @good = (
    'presence off',
    'presence memory leave=0',
    'presence memory ttl=1s sweep=1s leave=365d list=10000 diff=1 tick=10ms '
        . 'history=off',
    'presence new.db ttl=100y tick=10s diff=10000000 list=1 history=1s',
    'presence file2',
    'state dir snapshot=100ms; presence dir/tasks.db',
    'state %%TESTDIR%%/dir/; presence %%TESTDIR%%/new.db',
);

my $t = need_conductor(Test::Nginx->new()->has(qw/ http proxy /))
    ->plan(@wrong + @good + 7);
my $dir = $t->testdir();

$ENV{KEY} = 'x' x 32;

mkdir "$dir/$_" for qw/ dir used /;
$t->write_file($_, '') for qw/ file file2 used.db x.db.state /;
link "$dir/used.db", "$dir/link.db";
system('mkfifo', "$dir/pipe") == 0 or die "mkfifo: $!\n";

like(said($t, $_->[0]), pattern(@$_), "refused: $_->[0]") for @wrong;
is(said($t, $_), 'ok', "accepted: $_") for @good;

# with what else nginx does

my ($ok, $output) = nginx_t($t, conf('presence new.db', 'master_process off;'));
ok($ok, 'a hub can do without a master process');
like($output, qr/\[warn\].*no keeper: hub "h" has its presence in memory only/,
     'but not keep anything');

my $cache = 'proxy_cache_path %%TESTDIR%%/cache keys_zone=c:1m';

($ok, $output) = nginx_t($t, conf('presence new.db', '', "$cache;"));
like($output, qr/\[warn\].*may hold the keeper for 200 ms/,
     'a cache whose manager takes long is warned of');
($ok, $output) = nginx_t($t, conf('presence new.db', '',
                                  "$cache manager_threshold=50ms;"));
unlike($output, qr/\[warn\].*keeper/, 'one that does not is not');
($ok, $output) = nginx_t($t, conf('presence memory', '', "$cache;"));
unlike($output, qr/\[warn\].*keeper/, 'nor one without a keeper');

# what nginx -t leaves

ok(-d "$dir/new.db.state", 'the directory of the state is made');
ok(!-e "$dir/new.db", 'the database is not');


sub said {
    my ($t, $hub) = @_;
    my ($ok, $output) = nginx_t($t, conf($hub));

    return $ok ? 'ok' : $output;
}


sub conf {
    my ($hub, $main, $http) = map { $_ // '' } @_[0 .. 2];
    my $other = $hub =~ /memory/ ? '' : 'state used; presence used.db;';

    return <<"EOF_CONF";

%%TEST_GLOBALS%%

$main

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    $http

    conductor_hub other {
        $other
    }

    conductor_hub h {
        $hub;
    }
}

EOF_CONF
}


# What the error must say of a directive and its value.
sub pattern {
    my ($text, $directive, $value, $why) = @_;

    my $quoted = defined $value ? quotemeta qq{$value"} : '';

    return qr/\[emerg\](?=.*\b$directive\b)(?=.*$quoted)(?=.*$why)/;
}
