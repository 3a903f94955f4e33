package Test::Conductor::Servers;

# Several nginx in one test.

use warnings;
use strict;

use Exporter qw/ import /;

use Test::Conductor qw/ conductor_conf health wait_for /;

our @EXPORT = qw/ servers hub_conf hub_is /;


# servers($t, $n, $conf): N nginx of one configuration, started.  The first
# is $t, so what is in its directory is %%FIRST%% for all.  %%N%% is the
# number of a server, from 1; 127.0.0.1:8080 is 8081 for the second and so on.
# All functions that take $t take any of them.
sub servers {
    my ($t, $n, $conf) = @_;
    my @servers = ($t, map { $t->another() } 2 .. $n);

    for my $i (1 .. $n) {
        my $s = $servers[$i - 1];
        my $own = $conf;

        $s->{number} = 8079 + $i;
        $own =~ s/%%N%%/$i/g;
        $own =~ s/%%FIRST%%/$t->testdir()/ge;
        $own =~ s/(127\.0\.0\.1:|%%PORT_)8080\b/$1$s->{number}/g;
        $s->write_file_expand('nginx.conf', conductor_conf($own));
        $s->run();
    }

    return @servers;
}


# A configuration for servers(), of which a test shows what is in the hub h:
# publishing and health over HTTP, clients who are whom they say, no limits.
# "daemon" is 'off' by default.
sub hub_conf {
    my ($hub, %opt) = @_;
    my $daemon = $opt{daemon} // 'off';

    $hub =~ s/^(?=.)/    /mg;
    $hub =~ s/\A\n+|\n+\z//g;

    return <<"EOF_CONF";

%%TEST_GLOBALS%%

daemon $daemon;
worker_processes %%WORKERS%%;

events {
}

http {
    %%TEST_GLOBALS_HTTP%%

    conductor_hub h {
$hub
    }

    conductor_limit_conn      off;
    conductor_limit_messages  off;

    server {
        listen 127.0.0.1:8080;

        location / {
            conductor           h;
            conductor_identity  user=\$arg_user role=\$arg_role;
        }

        location /publish { conductor_publish h; }
        location /health  { conductor_health  h; }
    }
}

EOF_CONF
}


# Whether all these servers come to say something of Redis: "connected",
# "degraded", "disabled".
sub hub_is {
    my ($state, $timeout, @servers) = @_;

    return wait_for(sub {
        !grep { my $said = (health($_))[1];
                ref $said ? $said->{redis} ne $state : 1 } @servers;
    }, $timeout);
}


1;
