package Test::Conductor::Compose;

# What a compose file describes, without a container engine: a network with
# its addresses, published ports, volumes, and the programs themselves.

# docker-compose reads the files.  Each service has a network namespace on a
# bridge; the test is the machine around them.

use warnings;
use strict;

use Cwd qw/ abs_path /;
use Exporter qw/ import /;
use File::Basename qw/ dirname /;

use Test::Conductor qw/ skip_all wait_for /;
use Test::Conductor::Compose::Service;
use Test::Conductor::Net;

our @EXPORT = qw/ compose compose_config /;

our $ROOT = abs_path(dirname(__FILE__) . '/../../../..');

my $BRIDGE = 'hub0';

# Where a file names no network, one as an engine would choose.
my $SUBNET = '172.18.0.0/24';


# compose_config($t, \@files, %env): (what docker-compose makes of files of the
# repository, what it said).  The first is undef if it refuses them.  The
# environment is all that a file .env would have.
sub compose_config {
    my ($t, $files, %env) = @_;

    $t->has_daemon('docker-compose');
    eval { require YAML::XS; 1 } or skip_all('YAML::XS is not installed');

    $t->write_file('dotenv', join '', map { "$_=$env{$_}\n" } sort keys %env);

    my $dir = $t->testdir();
    my $pid = open(my $pipe, '-|') // die "cannot fork: $!\n";

    if ($pid == 0) {
        %ENV = (PATH => $ENV{PATH}, HOME => $dir, LC_ALL => 'C.UTF-8');
        open STDERR, '>', "$dir/compose.log";
        exec 'docker-compose', '--env-file', "$dir/dotenv",
             (map { ('-f', "$ROOT/$_") } @$files), 'config';
        exit 127;
    }

    my $text = do { local $/; <$pipe> };
    my $good = close $pipe;

    return ($good ? YAML::XS::Load($text) : undef,
            $t->read_file('compose.log'));
}


# compose($t, \@files, %env): the services of the files, not yet started.  The
# test must have its own_network().
sub compose {
    my ($t, $files, %env) = @_;
    my ($config, $said) = compose_config($t, $files, %env);

    $config or die "docker-compose refuses @$files: $said\n";
    $t->has_daemon('nft');

    my $self = bless { t => $t, config => $config, name => {} }, __PACKAGE__;

    for my $name (sort keys %{$config->{services}}) {
        $self->{name}{$name} = Test::Conductor::Compose::Service->new(
            $t, $name, $config->{services}{$name});
    }

    $self->network();
    $self->publish_ports();

    # a machine that lets nobody have as many descriptors as the balancer wants

    $t->todo_alerts(qr/setrlimit\(RLIMIT_NOFILE, \d+\) failed/)
        if grep { $_->nofile() < 65536 } values %{$self->{name}};

    return $self;
}


# The service of that name.
sub service {
    my ($self, $name) = @_;
    return $self->{name}{$name} // die "no service $name\n";
}


# All services whose programs can be run here, those first that others depend
# on.
sub services {
    my ($self) = @_;
    my (@order, %seen);

    my $add;
    $add = sub {
        my ($s) = @_;

        return if $seen{$s->{name}}++;
        $add->($self->service($_)) for $s->depends_on();
        push @order, $s;
    };

    $add->($self->{name}{$_}) for sort keys %{$self->{name}};
    return grep { $_->runs() } @order;
}


# Starts them, and waits until all are well.
sub up {
    my ($self) = @_;
    my @begun = map { [ $_, $_->begin() ] } $self->services();

    for (@begun) {
        my ($s, $well) = @$_;
        $well->() or die "$s->{name} does not start:\n", $s->err();
    }

    return $self;
}


# The bridge, and a namespace with an address for each service.
sub network {
    my ($self) = @_;
    my ($ipam) = @{$self->{config}{networks}{default}{ipam}{config} || []};
    my $subnet = $ipam->{subnet} // $SUBNET;
    my ($net, $bits) = $subnet =~ m{^(\d+\.\d+\.\d+)\.0/(\d+)$}
        or die "a network that this test does not know: $subnet\n";

    # the rest are from the range that the file leaves to the engine

    my ($next) = ($ipam->{ip_range} // "$net.2/$bits") =~ /\.(\d+)\//;
    my $gateway = "$net.1";

    ip("link add $BRIDGE type bridge");
    ip("addr add $gateway/$bits dev $BRIDGE");
    ip("link set $BRIDGE up");

    # clients of everywhere, 192.0.2.1 is the machine's own

    ip('route add local 192.0.2.0/24 dev lo');

    my $n = 0;

    for my $name (sort keys %{$self->{name}}) {
        my $s = $self->{name}{$name};
        my $space = Test::Conductor::Net->new($self->{t});
        my $link = 'cdr' . $n++;

        $s->{net} = $space;
        $s->{address} = $s->{config}{networks}{default}{ipv4_address}
                        // "$net." . $next++;

        ip("link add $link type veth peer name eth0 netns $space->{pid}");
        ip("link set $link master $BRIDGE up");
        $space->run(qw/ ip addr add /, "$s->{address}/$bits", qw/ dev eth0 /);
        $space->run(qw/ ip link set eth0 up /);
        $space->run(qw/ ip route add default via /, $gateway);
    }

    my @hosts = map { "$self->{name}{$_}{address} $_\n" } keys %{$self->{name}};
    $_->{hosts} = join '', "127.0.0.1 localhost\n", sort @hosts
        for values %{$self->{name}};
}


# Published ports lead to their services, and keep the address of who comes;
# but a program of the machine itself comes from the gateway.
sub publish_ports {
    my ($self) = @_;
    my @rules;

    for my $s (values %{$self->{name}}) {
        for ($s->ports()) {
            my ($host, $published, $target) = @$_;

            push @rules, ($host ? "ip daddr $host" : 'fib daddr type local')
                . " tcp dport $published dnat to $s->{address}:$target";
        }
    }

    my $rules = join "\n", @rules;

    open my $nft, '|-', 'nft', '-f', '-' or die "nft: $!\n";
    print $nft <<"EOF_RULES";
table ip published {
    chain output {
        type nat hook output priority -100;
        $rules
    }
    chain postrouting {
        type nat hook postrouting priority 100;
        oifname "$BRIDGE" ip saddr 127.0.0.0/8 masquerade
    }
}
EOF_RULES
    close $nft or die "nft refuses the published ports\n";

    open my $route, '>', '/proc/sys/net/ipv4/conf/all/route_localnet'
        or die "route_localnet: $!\n";
    print $route "1\n";
    close $route or die "route_localnet: $!\n";
}


sub ip {
    my ($arguments) = @_;
    system("ip $arguments") == 0 or die "failed: ip $arguments\n";
}


1;
