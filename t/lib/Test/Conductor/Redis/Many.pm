package Test::Conductor::Redis::Many;

# Redis as more than one server: Sentinel, Cluster; and the keys of TLS.

use warnings;
use strict;

use Exporter qw/ import /;

use Test::Conductor qw/ wait_for /;
use Test::Conductor::Redis;
use Test::Nginx qw//;

our @EXPORT = qw/ redis_certificates redis_sentinel redis_cluster /;


# redis_certificates($t, %opt): what a server of the names in "names" (a list,
# as openssl takes them; by default DNS:localhost and IP:127.0.0.1) needs for
# TLS, and its clients: paths of "ca", "cert", "key"; "client_cert",
# "client_key"; and "other_ca", which has signed nothing.
sub redis_certificates {
    my ($t, %opt) = @_;
    my $dir = $t->testdir() . '/' . ($opt{dir} // 'tls');
    my $names = join ',', @{$opt{names} || [ 'DNS:localhost', 'IP:127.0.0.1' ]};
    my %made;

    mkdir $dir;

    for my $ca (qw/ ca other_ca /) {
        openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
                . " -nodes -days 2 -subj /CN=$ca -keyout $dir/$ca.key"
                . " -out $dir/$ca.pem");
        $made{$ca} = "$dir/$ca.pem";
    }

    for my $name ('', 'client_') {
        my $base = "$dir/${name}cert";

        openssl("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
                . " -subj /CN=${name}redis -keyout $base.key"
                . " -out $base.csr");
        $t->write_file(substr("$base.ext", 1 + length $t->testdir()),
                       $name ? "extendedKeyUsage=clientAuth\n"
                             : "subjectAltName=$names\n");
        openssl("x509 -req -days 2 -in $base.csr -CA $dir/ca.pem"
                . " -CAkey $dir/ca.key -CAcreateserial -out $base.pem"
                . " -extfile $base.ext");
        $made{"${name}cert"} = "$base.pem";
        $made{"${name}key"} = "$base.key";
    }

    return \%made;
}


sub openssl {
    my ($arguments) = @_;

    system("openssl $arguments >/dev/null 2>&1") == 0
        or die "openssl failed: $arguments\n";
}


# redis_sentinel($t, $master, %opt): a Sentinel that watches a server by the
# name "master" ('mymaster'), on the port "port" (8390) as the configuration
# calls it; "conf" are more lines.  Replicas are servers started with
#
#     conf => [ 'replicaof ' . join ' ', split /:/, $master->address() ]
#
# The object is one of Test::Conductor::Redis.
sub redis_sentinel {
    my ($t, $master, %opt) = @_;
    my $name = $opt{master} // 'mymaster';
    my ($address, $port) = $master->address() =~ /(.*):(.*)/;

    return redis($t, name => 'sentinel', port => 8390, %opt,
        arguments => [ '--sentinel' ],
        lines => [
            "sentinel monitor $name $address $port " . ($opt{quorum} // 1),
            "sentinel down-after-milliseconds $name 500",
            "sentinel failover-timeout $name 3000",
            "sentinel parallel-syncs $name 1",
        ],
    );
}


# redis_cluster($t, $n, %opt): a Cluster of N servers without replicas, which
# share the slots evenly, on the port 8400 and the following ones, as the
# configuration calls them.  Options are those of redis().
sub redis_cluster {
    my ($t, $n, %opt) = @_;
    my $self = bless { nodes => [] }, 'Test::Conductor::Redis::Cluster';

    for my $i (0 .. $n - 1) {
        my $bus = Test::Nginx::port(8500 + $i);

        push @{$self->{nodes}}, redis($t, name => "node$i", port => 8400 + $i,
            %opt, conf => [ 'cluster-enabled yes', "cluster-port $bus",
                            'cluster-config-file nodes.conf',
                            'cluster-node-timeout 2000',
                            'cluster-require-full-coverage no',
                            @{$opt{conf} || []} ]);
    }

    my @nodes = $self->nodes();

    for my $i (0 .. $n - 1) {
        my ($from, $to) = map { int(16384 * $_ / $n) } $i, $i + 1;
        my ($address) = $nodes[$i]->address() =~ /(.*):/;

        $nodes[$i]->do('CLUSTER', 'ADDSLOTSRANGE', $from, $to - 1);
        $nodes[0]->do('CLUSTER', 'MEET', $address, $nodes[$i]->port(),
                      Test::Nginx::port(8500 + $i)) if $i;
    }

    wait_for(sub { !grep { !$self->whole($_) } @nodes }, 20)
        or die "no cluster comes to be\n";

    return $self;
}


package Test::Conductor::Redis::Cluster;

use List::Util qw/ first /;


# Its servers.
sub nodes { @{$_[0]{nodes}} }


# Whether a server knows of all the slots, and all the others.
sub whole {
    my ($self, $node) = @_;
    my $n = $self->nodes();
    my $info = $node->do('CLUSTER', 'INFO');

    return $info =~ /cluster_state:ok/ && $info =~ /cluster_known_nodes:$n\b/
           && $info =~ /cluster_slots_assigned:16384\b/;
}


# The slot of a key, and the server that says it has a slot.
sub slot { $_[0]{nodes}[0]->do('CLUSTER', 'KEYSLOT', $_[1]) }

sub owner {
    my ($self, $slot) = @_;
    my $range = first { $_->[0] <= $slot && $slot <= $_->[1] }
                      @{$self->{nodes}[0]->do('CLUSTER', 'SLOTS')};

    return first { $_->port() == $range->[2][1] } $self->nodes();
}


# Moves a slot: it is on its way from here,
sub move_begin {
    my ($self, $slot, $to) = @_;
    my $from = $self->owner($slot);

    $to->do('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', id($from));
    $from->do('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', id($to));
}


# its keys go,
sub move_keys {
    my ($self, $slot, $to) = @_;
    my $from = $self->owner($slot);
    my ($address, $port) = $to->address() =~ /(.*):(.*)/;

    for (1 .. 1000) {
        my $keys = $from->do('CLUSTER', 'GETKEYSINSLOT', $slot, 100);
        return if !@$keys;
        $from->do('MIGRATE', $address, $port, '', 0, 5000,
                  defined $to->{password} ? ('AUTH', $to->{password}) : (),
                  'KEYS', @$keys);
    }

    die "keys of slot $slot come faster than they go\n";
}


# and all know it.
sub move_end {
    my ($self, $slot, $to) = @_;
    my $from = $self->owner($slot);

    $_->do('CLUSTER', 'SETSLOT', $slot, 'NODE', id($to))
        for $to, $from, grep { $_ != $to && $_ != $from } $self->nodes();
}


# All of that.
sub move {
    my ($self, $slot, $to) = @_;

    $self->move_begin($slot, $to);
    $self->move_keys($slot, $to);
    $self->move_end($slot, $to);
}


sub id { $_[0]->do('CLUSTER', 'MYID') }


1;
