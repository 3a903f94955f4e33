package Test::Conductor::Example;

# The files of conf-examples/, run as they are.

use warnings;
use strict;

use Exporter qw/ import /;

use Test::Conductor qw/ conductor_conf /;

our @EXPORT = qw/ example_conf /;


# example_conf($t, $name, %for): gives an nginx the example of that name, with
# some texts put for others, which it must have.  Beside that only those lines
# differ that say who it runs as and where its module, logs and files are.
# Returns the text of the example.
sub example_conf {
    my ($t, $name, %for) = @_;

    open my $f, '<', "../conf-examples/$name" or die "$name: $!\n";
    my $text = do { local $/; <$f> };
    my $conf = $text;

    $conf =~ s/^load_module .*\n//m;
    $conf =~ s/^(?:user|pid|error_log|worker_rlimit_nofile) .*\n//mg;
    $conf =~ s/^worker_processes .*\n/%%TEST_GLOBALS%%
daemon off;
worker_processes %%WORKERS%%;
/m;
    $conf =~ s/^http \{\n/$&%%TEST_GLOBALS_HTTP%%\n/m;
    $conf =~ s{/var/(?:log/nginx|lib/conductor)\b}{%%TESTDIR%%/example}g;

    for (sort keys %for) {
        $conf =~ s/\Q$_\E/$for{$_}/g or die "$name has no \"$_\"\n";
    }

    mkdir $t->testdir() . '/example';
    $t->write_file_expand('nginx.conf', conductor_conf($conf));

    return $text;
}


1;
