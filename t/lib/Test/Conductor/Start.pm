package Test::Conductor::Start;

# The configuration of "./conductor start", run as it is, and its two people.

use warnings;
use strict;

use Cwd qw/ abs_path /;
use Exporter qw/ import /;
use File::Basename qw/ dirname /;

use Test::Conductor qw/ conductor_conf /;
use Test::JWT qw/ jwt /;
use Test::Nginx qw/ port /;

our @EXPORT = qw/ start_conf start_url /;

my $root = abs_path(dirname(__FILE__) . '/../../../..');
my $secret = 'the secret of this start, in 32 bytes';

my %PEOPLE = (alice => 'architect', bob => 'reviewer');


# start_conf($t, %for): gives an nginx what "./conductor start" would, with all
# defaults.  Beside that only those lines differ that say who it runs as and
# where its files are, and what is put for other texts, which must be there.
sub start_conf {
    my ($t, %for) = @_;

    open my $f, '<', "$root/conf-examples/start.conf.in" or die "start: $!\n";
    my $conf = do { local $/; <$f> };

    %for = (
        '@USER@'    => '%%TEST_GLOBALS%%',
        '@LISTEN@'  => 'listen  127.0.0.1:8080;',
        '@ORIGINS@' => 'http://localhost:3000',
        '@LIMIT@'   => '100 per=60000ms',
        '@ALLOW@'   => 'allow  127.0.0.1;',
        '@DATABASE@'  => 'tasks.db',
        '@ACCESS@'    => 'logs/access.log',
        '@DASHBOARD@' => "$root/share/dashboard",
        '@METRICS@'   => 'allow  127.0.0.1;',
        (map { $_ => '' } qw/ @TLS@ @REDIS@ @PROXIES@ @AUDIT@ @HEALTH@ /),
        'env:JWT_SECRET' => "\"$secret\"",
        'http {'           => "http {\n%%TEST_GLOBALS_HTTP%%",
        %for,
    );

    $conf =~ s{^(?:load_module|pid|error_log|env) .*\n|^ +\w+_temp_path .*\n}
              {}mg;
    $conf =~ s/^(worker_processes +)auto;/$1%%WORKERS%%;/m;

    for (sort keys %for) {
        $conf =~ s/\Q$_\E/$for{$_}/g or die "the start has no \"$_\"\n";
    }

    mkdir $t->testdir() . '/logs';
    $t->write_file_expand('nginx.conf', conductor_conf($conf));
}


# The link that the start prints for one of its people, or, for nobody, without
# a token.
sub start_url {
    my ($name) = @_;
    my $url = 'http://localhost:' . port(8080) . '/';

    return $url unless defined $name;
    return "$url#token="
        . jwt({ sub => $name, role => $PEOPLE{$name} }, key => $secret);
}


1;
