#!/usr/bin/perl

# "redis" of a hub: what nginx -t refuses, accepts, and warns of; and that no
# password is shown.

use warnings;
use strict;

use Test::More;

BEGIN { use FindBin; chdir($FindBin::Bin); }

use lib 'lib';
use Test::Nginx;
use Test::Conductor;

select STDERR; $| = 1;
select STDOUT; $| = 1;

my $redis = 'redis://h';
my $host = qr/a host is a name or an address/;
my $number = qr/the database is a number from 0 to 999999/;
my $port = qr/a port is a number from 1 to 65535/;
my $ipv6 = qr/IPv6 address/;
my $flag = qr/it must be "on" or "off"/;
my $text = qr/printable characters/;
my $tls = qr/need a "rediss:\/\/" URL/;

# each: the values, what of them the error shows, and why

my @wrong = (
    [ '', undef, qr/invalid number of arguments/ ],
    [ "$redis; redis $redis", undef, qr/is duplicate/ ],
    [ '""', undef, qr/is empty/ ],
    [ 'h:6379', 'h:6379', qr/it must begin with "redis:\/\/", / ],
    [ 'http://h', 'http://h', qr/it must begin with "redis:\/\/", / ],
    [ '"redis://h h"', 'redis://h h', qr/a space/ ],
    [ 'redis://', 'redis://', qr/a host is missing/ ],
    [ 'redis:///1', 'redis:///1', qr/a host is missing/ ],
    [ 'redis://a,,b', 'redis://a,,b', qr/a host is missing/ ],
    [ 'redis://a/b/c', 'redis://a/b/c', $number ],
    [ 'redis://a/01', 'redis://a/01', $number ],
    [ 'redis://a/1000000', 'redis://a/1000000', $number ],
    [ 'redis://a/1?db=1', 'redis://a/1?db=1', qr/given twice/ ],
    [ 'redis://a?x=1', 'redis://a?x=1', qr/only "\?db=" may follow/ ],
    [ 'redis://a:0', 'redis://a:0', $port ],
    [ 'redis://a:65536', 'redis://a:65536', $port ],
    [ 'redis://a:', 'redis://a:', $port ],
    [ 'redis://a:6379x', 'redis://a:6379x', $port ],
    [ 'redis://a_b,-c', 'redis://a_b,-c', $host ],
    [ 'redis://a*', 'redis://a*', $host ],
    [ 'redis://::1', 'redis://::1', qr/a host is missing/ ],
    [ 'redis://[::1', 'redis://[::1', $ipv6 ],
    [ 'redis://[]', 'redis://[]', $ipv6 ],
    [ 'redis://[1:2]', 'redis://[1:2]', $ipv6 ],
    [ 'redis://[::1]6379', 'redis://[::1]6379', qr/only a port/ ],
    [ 'unix:redis.sock', 'unix:redis.sock', qr/a socket has a full name/ ],
    [ 'unix:/s:x', 'unix:/s:x', $number ],
    [ 'unix:/' . 'x' x 107, 'unix:/', qr/at most 107 bytes/ ],
    [ 'env:NONE_OF_THAT', 'env:NONE_OF_THAT', qr/no such variable/ ],
    [ 'env:BAD_URL', 'env:BAD_URL', $port ],
    [ 'file:none', 'file:none', qr/cannot open/ ],
    [ 'file:empty', undef, qr/is empty/ ],

    [ 'redis://ann:hidden@h:x', 'redis://...@h:x', $port ],
    [ 'redis://ann:hid@den@h:x', 'redis://...@h:x', $port ],
    [ 'ann:hidden@h', '...@h', qr/must begin with/ ],
    [ 'redis://ann:hidden%@h', 'redis://...@h', qr/two hexadecimal digits/ ],
    [ 'redis://:hidden@[x]', 'redis://...@[x]', $ipv6 ],
    [ 'redis://:hidden@[1:2]', 'redis://...@[1:2]', $ipv6 ],
    [ 'redis://ann@h', undef, qr/a user needs a password/ ],
    [ "$redis pasword=hidden", 'pasword=...', qr/there is no such option/ ],
    [ "$redis password=", 'password=...', qr/it is empty/ ],
    [ "$redis password=hidden password=hidden", 'password=...',
      qr/given twice/ ],
    [ 'redis://:hidden@h password=hidden', 'password=...',
      qr/the URL has a password already/ ],
    [ "$redis password=env:NONE_OF_THAT", 'env:NONE_OF_THAT',
      qr/no such variable/ ],
    [ "$redis secret=hidden", 'secret=...', qr/"env:NAME" or "file:PATH"/ ],
    [ "$redis secret=file:none", 'file:none', qr/cannot open/ ],

    [ "$redis word", 'word', qr/there is no such option/ ],
    [ "$redis timeout=49ms", 'timeout=49ms', qr/from 50ms to 60s/ ],
    [ "$redis timeout=61s", 'timeout=61s', qr/from 50ms to 60s/ ],
    [ "$redis timeout=x", 'timeout=x', qr/from 50ms to 60s/ ],
    [ "$redis timeout=1s timeout=1s", 'timeout=1s', qr/given twice/ ],
    [ "$redis outbox=63k", 'outbox=63k', qr/from 64k to 1024m/ ],
    [ "$redis outbox=1025m", 'outbox=1025m', qr/from 64k to 1024m/ ],
    [ "$redis stream=15", 'stream=15', qr/from 16 to 10000000/ ],
    [ "$redis stream=x", 'stream=x', qr/from 16 to 10000000/ ],
    [ "$redis prefix=", 'prefix=', qr/a name is 1 to 64/ ],
    [ "$redis prefix=a/b", 'prefix=a/b', qr/a name is 1 to 64/ ],
    [ "$redis channels=", 'channels=', $text ],
    [ "$redis 'channels=a b'", 'channels=a b', $text ],
    [ "$redis sentinel=", 'sentinel=', $text ],
    [ "$redis cluster=yes", 'cluster=yes', $flag ],
    [ "$redis foreign=", 'foreign=', $flag ],

    [ "$redis sentinel=m cluster=on", undef, qr/either "sentinel=" or/ ],
    [ 'unix:/s sentinel=m', undef, qr/names hosts, not a socket/ ],
    [ 'unix:/s cluster=on', undef, qr/names hosts, not a socket/ ],
    [ "$redis sentinel_user=ann", undef, qr/need "sentinel="/ ],
    [ "$redis sentinel_password=hidden", undef, qr/need "sentinel="/ ],
    [ "$redis sentinel=m sentinel_user=ann", undef,
      qr/needs "sentinel_password="/ ],
    [ "$redis/1 cluster=on", undef, qr/a cluster has database 0 only/ ],

    map({ [ "$redis $_", undef, $tls ] }
        qw/ ca=cert.pem cert=cert.pem key=key.pem tls_name=h verify=off /),
    [ 'rediss://h verify=no', 'verify=no', $flag ],
    [ 'rediss://h ca=', 'ca=', qr/a file has a name/ ],
    [ 'rediss://h ca=none.pem', 'none.pem', qr/cannot load.*No such file/ ],
    [ 'rediss://h ca=key.pem', 'key.pem', qr/cannot load certificates/ ],
    [ 'rediss://h cert=cert.pem', undef, qr/need each other/ ],
    [ 'rediss://h key=key.pem', undef, qr/need each other/ ],
    [ 'rediss://h cert=cert.pem key=other.pem', 'other.pem', qr/mismatch/ ],
    [ 'rediss://h cert=cert.pem key=locked.pem', 'locked.pem',
      qr/without a passphrase/ ],
    [ 'rediss://h cert=none.pem key=key.pem', 'none.pem',
      qr/cannot load the certificate/ ],
);

my @good = (
    $redis,
    'redis://h/',
    'redis://h?db=3',
    'redis://ann:hidden@127.0.0.1:6379/15 timeout=50ms outbox=64k stream=16',
    'redis://ann@127.0.0.1 password=env:PASSWORD timeout=60s outbox=32m',
    'redis://:p%40%2f%3A@[::1]:6379,[fe80::1],redis-2.example.com/1',
    "$redis password=file:password prefix=p:1 channels=a/b: foreign=off",
    'redis://a,b,c sentinel=mymaster sentinel_user=ann '
        . 'sentinel_password=hidden password=hidden',
    'redis://a:7000,b:7000 cluster=on foreign=on secret=env:SECRET',
    'redis://a/0 sentinel_user=x sentinel=m cluster=off '
        . 'sentinel_password=hidden',
    'rediss://h verify=off',
    'rediss://h ca=cert.pem cert=cert.pem key=key.pem tls_name=h verify=on',
    'unix:/run/redis.sock',
    'unix:/run/redis.sock:2 password=hidden',
    'unix:///run/redis.sock?db=2',
    'redis+unix://ann:hidden@/run/redis.sock',
    'env:GOOD_URL',
    'file:url secret=file:secret',
);

my $t = need_conductor(Test::Nginx->new()->has(qw/ http /))
    ->plan(@wrong + @good + 9);

$ENV{PASSWORD} = 'hidden';
$ENV{SECRET} = 'hidden' x 6;
$ENV{GOOD_URL} = 'rediss://ann:hidden@h:1,h:2/3';
$ENV{BAD_URL} = 'redis://ann:hidden@h:x';

write_files($t);

my $shown = '';

like(said($t, $_->[0]), pattern(@$_), "refused: $_->[0]") for @wrong;
is(said($t, $_), 'ok', "accepted: $_") for @good;

###############################################################################

# what else it says

unlike($shown, qr/hidden/, 'no password was shown');

my ($ok, $output) = nginx_t($t, conf($redis, 'presence memory'));
ok(!$ok, 'it needs a place for what Redis does not have');
like($output, qr/\[emerg\].*"redis" of hub "h" needs a directory/,
    'and says so');
($ok) = nginx_t($t, conf($redis, 'presence tasks.db'));
ok($ok, 'a database has one');

($ok, $output) = nginx_t($t, conf("$redis secret=file:password"));
ok($ok, 'a short secret is accepted');
like($output, qr/\[warn\].*"secret=" .* hub "h" has 6 bytes, less than 32/,
    'with a warning');
($ok, $output) = nginx_t($t, conf("$redis secret=file:secret"));
unlike($output, qr/\[warn\]/, 'a long one without');

($ok, $output) = nginx_t($t, conf($redis, undef, 'master_process off;'));
ok($ok, 'it can stand where there is no keeper');
like($output, qr/\[warn\].*hub "h" does not use its Redis/,
    'but is not used there');

###############################################################################

sub write_files {
    my ($t) = @_;
    my $dir = $t->testdir();

    $t->write_file('password', "hidden\n");
    $t->write_file('secret', 'hidden' x 6);
    $t->write_file('url', "unix:/run/redis.sock:1\n");
    $t->write_file('empty', "\n");

    for ("req -x509 -newkey rsa:2048 -nodes -subj /CN=h -days 2 "
            . '-keyout key.pem -out cert.pem',
        'genrsa -out other.pem 2048',
        'rsa -in key.pem -aes128 -passout pass:hidden -out locked.pem')
    {
        system("cd '$dir' && openssl $_ >openssl.out 2>&1") == 0
            or die "openssl $_ failed\n";
    }
}


sub said {
    my ($t, $values) = @_;
    my ($ok, $output) = nginx_t($t, conf($values));

    $shown .= $output;

    return $ok ? 'ok' : $output;
}


sub conf {
    my ($values, $state, $main) = @_;

    $state //= 'state dir';
    $main //= '';

    return <<"EOF_CONF";

%%TEST_GLOBALS%%

$main

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
        $state;
        redis $values;
    }
}

EOF_CONF
}


# What the error must say.
sub pattern {
    my ($values, $value, $why) = @_;

    my $quoted = defined $value ? quotemeta $value : '';

    return qr/\[emerg\](?=.*\bredis\b)(?=.*$quoted)(?=.*$why)/;
}
