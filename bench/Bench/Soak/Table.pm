package Bench::Soak::Table;

# The table that every soak prints.

use strict;
use warnings;

my @head = ('shape', 'faults', 'accepted', 'delivered', 'lost', 'doubled',
    'reordered', 'told of', 'ghosts', 'drain, s', 'memory, MB',
    'descriptors', 'connections', 'keys', 'resumes', 'replayed',
    'repeated', 'p99, ms');


# A row: of which clients, what was done, what is new in the figures of the
# clients, the longest drain, what servers took at first and take now.
sub row {
    my ($shape, $faults, $new, $drain, $begin, $m, $p99_us) = @_;
    my %more = map { $_ => ($m->{$_} // 0) - ($begin->{$_} // 0) }
                   qw/ memory descriptors connections keys /;

    return [ $shape, $faults,
        @$new{qw/ accepted delivered lost doubled reordered told ghosts /},
        sprintf('%.1f', $drain),
        sprintf('%+.1f', $more{memory} / (1 << 20)),
        map({ sprintf '%+d', $more{$_} } qw/ descriptors connections keys /),
        @$new{qw/ resumed replayed repeated /},
        sprintf('%.1f', $p99_us / 1000) ];
}


sub text {
    my @rows = @_;

    return join '', "\n| ", join(' | ', @head), " |\n",
        '|---|---|', '---:|' x (@head - 2), "\n",
        map { '| ' . join(' | ', @$_) . " |\n" } @rows;
}


1;
