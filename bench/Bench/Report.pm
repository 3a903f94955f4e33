package Bench::Report;

# Tables of what was measured: medians, ratios and their intervals.

use strict;
use warnings;

use Exporter qw/ import /;
use JSON::PP;

our @EXPORT_OK = qw/ report load_report median interval /;

# The most that the hub should take, relative to bare; memory in bytes.

my %target = (
    'fixed-100'   => 1.20,
    'fixed-1000'  => 1.10,
    'fixed-10000' => 1.10,
    'backlog'     => 0.35,
    'handshake'   => 1.75,
    'inbound'     => 1.15,
    'memory'      => 1536,
    'p99'         => 1.15,
    'resumes'     => 100,       # ms: p99 of live events
    'hub'         => 1.20,      # of its own without Redis
    'hub-p99'     => 2,         # ms more than that
);

my %unit = (
    fixed => 'delivery', backlog => 'delivery', handshake => 'handshake',
    inbound => 'message', resume => 'missed event',
);


sub report {
    my ($file, $order) = @_;
    my %runs;       # case => peer => round => result
    my @peers;

    open my $fh, '<', $file or die "$file: $!\n";

    while (<$fh>) {
        my $r = decode_json($_);
        push @peers, $r->{peer} unless grep { $_ eq $r->{peer} } @peers;
        $runs{$r->{name}}{$r->{peer}}{$r->{round}} = $r;
    }

    my @beside = grep { !/^(?:memory|resumes|presence|hub)/ } @$order;

    cpu_table(\%runs, \@peers, \@beside) if grep { $runs{$_} } @beside;
    memory_table($runs{memory}, \@peers) if $runs{memory};
    resumes_table($runs{resumes}{conductor}) if $runs{resumes};
    hub_tables(\%runs, @peers) if $runs{hub};
    presence_table(\%runs, grep { /^presence/ && $runs{$_} } @$order);
}


# Two servers that are one hub through Redis, beside two without.
sub hub_tables {
    my ($runs, @peers) = @_;
    my %pairs;      # peer => [ [ hub, apart ] of each round ]

    for my $peer (@peers) {
        my ($hub, $apart) = map { $runs->{$_}{$peer} } qw/ hub hub-apart /;

        $pairs{$peer} = [ map { [ $hub->{$_}, $apart->{$_} ] }
                          grep { $apart->{$_} } keys %{$hub || {}} ];
    }

    @peers = grep { @{$pairs{$_}} } @peers;

    hub_cpu_table($runs, \%pairs, \@peers);
    hub_latency_table(\%pairs, \@peers);
}


sub hub_cpu_table {
    my ($runs, $pairs, $peers) = @_;

    print "\n| server | CPU of a delivery, µs | apart, µs | × apart | 90 %"
        . " | target | events/s | CPU of an event, µs | Redis' part"
        . " | lost / doubled / reordered |\n";
    print '|---|', '---:|' x 3, '---|---|', '---:|' x 3, "---|\n";

    for my $peer (@$peers) {
        my @pairs = @{$pairs->{$peer}};
        my @more = map { $_->[0]{cpu_us} / $_->[1]{cpu_us} } @pairs;
        my @events = values %{$runs->{'hub-events'}{$peer} || {}};
        my @all = ((map { @$_ } @pairs), @events);

        printf "| %s | %.2f | %.2f | %.2f | %.2f-%.2f | %s | %s | %s |\n",
            $peer, (map { my $i = $_; median(map { $_->[$i]{cpu_us} } @pairs) }
                    0, 1), median(@more), interval(@more),
            hub_verdict($peer, 'hub', @more), !@events ? ' | | '
            : sprintf('%.0f | %.0f | %.0f', median_of('per_second', @events),
                  median(map { $_->{cpu_us} * $_->{clients} } @events),
                  median_of('redis_us', @events)),
            join ' / ', map { sum($_, @all) } qw/ lost doubled reordered /;
    }
}


# From a publication to the last client.
sub hub_latency_table {
    my ($pairs, $peers) = @_;

    print "\n| server | other server: p50, ms | p99, ms | its own: p50, ms"
        . " | p99, ms | apart: p50, ms | p99, ms | p99 more than apart, ms"
        . " | 90 % | target |\n";
    print '|---|', '---:|' x 7, "---|---|\n";

    for my $peer (@$peers) {
        my @pairs = @{$pairs->{$peer}};
        my @more = map { ($_->[0]{far_p99_us} - $_->[1]{near_p99_us}) / 1000 }
                       @pairs;

        printf "| %s | %s | %.2f | %.2f-%.2f | %s |\n", $peer,
            join(' | ', map { my ($i, $name) = @$_;
                sprintf '%.2f', median(map { $_->[$i]{$name} / 1000 } @pairs) }
                [ 0, 'far_p50_us' ], [ 0, 'far_p99_us' ],
                [ 0, 'near_p50_us' ], [ 0, 'near_p99_us' ],
                [ 1, 'near_p50_us' ], [ 1, 'near_p99_us' ]),
            median(@more), interval(@more),
            hub_verdict($peer, 'hub-p99', @more);
    }
}


sub hub_verdict {
    my ($peer, $name, @values) = @_;

    return $peer eq 'conductor'
        ? verdict((interval(@values))[0], $target{$name}) : '';
}


# Live events while others resume.
sub resumes_table {
    my ($runs) = @_;
    my @runs = values %$runs;
    my @p99 = map { $_->{p99_us} / 1000 } @runs;
    my ($low, $high) = interval(@p99);

    print "\n| resumes/s | events/s | CPU, % | resume p50, ms | p99, ms"
        . " | live p99 without, ms | live p99, ms | 90 % | target"
        . " | lost / doubled / reordered |\n";
    print "|---:|---:|---:|---:|---:|---:|---:|---|---|---|\n";

    printf "| %.0f | %.0f | %.0f | %.2f | %.2f | %.2f | %.2f | %.2f-%.2f"
        . " | %s | %s |\n", median_of('per_second', @runs),
        median(map { $_->{replayed} / $_->{resumes} * $_->{per_second} }
               @runs), median_of('cpu_percent', @runs),
        (map { median_of($_, @runs) / 1000 }
         qw/ resume_p50_us resume_p99_us alone_p99_us /),
        median(@p99), $low, $high, verdict($low, $target{resumes}),
        join ' / ', map { sum($_, @runs) } qw/ lost doubled reordered /;
}


sub presence_table {
    my ($runs, @cases) = @_;

    return unless @cases;

    print "\n| reviewers | watchers | changes | CPU of a change, µs | CPU, %"
        . " | p50, ms | p99, ms | 90 % | lists, s | lost / doubled |\n";
    print "|---:|---:|---:|---:|---:|---:|---:|---|---:|---|\n";

    for my $case (@cases) {
        my @runs = values %{$runs->{$case}{conductor} or next};
        my @p99 = map { $_->{p99_us} / 1000 } @runs;

        printf "| %d | %d | %d | %.1f | %.0f | %.2f | %.2f | %.2f-%.2f"
            . " | %.1f | %s |\n", @{$runs[0]}{qw/ clients watchers changes /},
            median_of('cpu_us', @runs), median_of('cpu_percent', @runs),
            median_of('p50_us', @runs) / 1000, median(@p99),
            interval(@p99), median_of('lists_us', @runs) / 1e6,
            join ' / ', map { sum($_, @runs) } qw/ lost doubled /;
    }
}


sub cpu_table {
    my ($runs, $peers, $order) = @_;

    print "\n| case | server | CPU, µs | × bare | 90 % | target | p50, ms"
        . " | p99, ms | lost / doubled / reordered |\n";
    print "|---|---|---:|---:|---|---|---:|---:|---|\n";

    for my $case (@$order) {
        for my $peer (@$peers) {
            my $own = $runs->{$case}{$peer} or next;
            cpu_row($case, $peer, $own, $runs->{$case}{bare}, 'cpu_us');

            cpu_row($case, $peer, $own, $runs->{$case}{bare}, 'p99_us')
                if $case eq 'fixed-10000' && $peer eq 'conductor';
        }
    }
}


# A line of the table: of CPU, or of p99 against that of bare.
sub cpu_row {
    my ($case, $peer, $own, $bare, $figure) = @_;

    my @runs = map { $own->{$_} } sort { $a <=> $b } keys %$own;
    my $target = $peer ne 'conductor' ? undef
        : $figure eq 'p99_us' ? $target{p99} : $target{$case};

    my @ratio = map { $own->{$_}{$figure} / $bare->{$_}{$figure} }
        grep { $bare->{$_} } keys %$own;

    my ($low, $high) = interval(@ratio);
    my $audit = !exists $runs[0]{lost} ? ''
        : join ' / ', map { sum($_, @runs) } qw/ lost doubled reordered /;
    my ($name) = $case =~ /^([a-z]+)/;

    printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n",
        $figure eq 'p99_us' ? "$case, p99" : "$case, per $unit{$name}", $peer,
        $figure eq 'p99_us' ? '' : sprintf('%.2f', median_of('cpu_us', @runs)),
        $peer eq 'bare' || !@ratio ? '' : sprintf('%.2f', median(@ratio)),
        $peer eq 'bare' || !@ratio ? '' : sprintf('%.2f-%.2f', $low, $high),
        defined $target && @ratio ? verdict($low, $target) : '',
        map({ sprintf '%.2f', median_of($_, @runs) / 1000 }
            qw/ p50_us p99_us /),
        $audit;
}


sub memory_table {
    my ($runs, $peers) = @_;

    print "\n| server | bytes a connection | 90 % | target | slot | private"
        . " | zone |\n";
    print "|---|---:|---|---|---:|---:|---:|\n";

    for my $peer (@$peers) {
        my @runs = values %{$runs->{$peer} or next};

        my @all = map { ($_->{anon} + $_->{file} + $_->{shmem})
                        / $_->{clients} + ($_->{slot} // 0) } @runs;
        my ($low, $high) = interval(@all);

        printf "| %s | %.0f | %.0f-%.0f | %s | %s | %.0f | %.0f |\n", $peer,
            median(@all), $low, $high,
            $peer eq 'conductor' ? verdict($low, $target{memory}) : '',
            defined $runs[0]{slot} ? sprintf('%.0f', median_of('slot', @runs))
                                   : '',
            median(map { ($_->{anon} + $_->{file}) / $_->{clients} } @runs),
            median(map { $_->{shmem} / $_->{clients} } @runs);
    }
}


sub verdict {
    my ($low, $target) = @_;

    my $text = $target < 100 ? sprintf('%.2f', $target) : $target;

    return "$text: " . ($low <= $target ? 'ok' : 'missed');
}


sub load_report {
    my ($r) = @_;

    printf "%d clients, %d messages answered, %d errors, %d messages/s\n",
        @$r{qw/ clients messages errors per_second /};
    printf "%d events published, %d delivered, %d lost, %d doubled, "
        . "%d reordered\n\n",
        @$r{qw/ events delivered lost doubled reordered /};

    print "| latency, ms | min | p50 | p95 | p99 | max |\n";
    print "|---|---:|---:|---:|---:|---:|\n";

    for my $kind (qw/ replies published /) {
        printf "| %s | %s |\n", $kind eq 'replies' ? 'message to its answer'
            : 'publication to a client', join ' | ',
            map { sprintf '%.2f', $r->{$kind}{$_} / 1000 }
            qw/ min p50 p95 p99 max /;
    }
}


sub sum {
    my ($name, @runs) = @_;
    my $sum = 0;

    $sum += $_->{$name} for @runs;

    return $sum;
}


sub median_of {
    my ($name, @runs) = @_;

    return median(map { $_->{$name} } @runs);
}


sub median {
    my @x = sort { $a <=> $b } @_;

    return ($x[$#x / 2] + $x[@x / 2]) / 2;
}


# The narrowest pair of values, as far from the lowest as from the highest,
# between which the median lies with a chance of 90 %: that of a binomial.
sub interval {
    my @x = sort { $a <=> $b } @_;
    my $n = @x or return (0, 0);

    my ($k, $below, $term) = (0, 0, 0.5 ** $n);

    while (2 * ($below + $term) <= 0.1) {
        $below += $term;
        $term *= ($n - $k) / ($k + 1);
        $k++;
    }

    $k = 1 if $k == 0;      # too few: the lowest and the highest

    return @x[$k - 1, $n - $k];
}


1;
