package Bench::Soak::Presence;

# Whether GET /presence and the table say what the clients know of themselves.

use strict;
use warnings;

my $SETTLED = 5000;         # ms: so old must be what is not true


# Faults of either source as texts: [ 'http: user-1 is a ghost' ].  What has
# changed within the last five seconds may still be otherwise, unless "exact".
sub faults {
    my ($server, $clients, %option) = @_;
    my %source = (http => http($server));

    $source{table} = table($server) unless $option{locked};

    my $truth = $clients->truth();
    my @faults;

    for my $name (sort keys %source) {
        my $seen = $source{$name};

        if (!$seen) {
            push @faults, "$name: no answer" if $option{exact};
            next;
        }

        push @faults, map { "$name: $_" } compare($seen, $truth, %option);
    }

    return @faults;
}


sub compare {
    my ($seen, $truth, %option) = @_;
    my @faults;

    for my $user (sort keys %$truth) {
        my ($there, $status, $feature, $age) = @{$truth->{$user}};
        my $is = $seen->{$user};

        next if $there == -1 || !$option{exact} && $age <= $SETTLED;

        if (!$there) {
            push @faults, "$user is a ghost" if $is;
            next;
        }

        my $want = join ' ', $status, $feature // '-';

        push @faults, !$is ? "$user is missing" : "$user is $is, not $want"
            if ($is // '') ne $want;
    }

    return @faults, map { "$_ is nobody" } grep { !$truth->{$_} } keys %$seen;
}


# { user => 'status feature' } of all who are not offline, by HTTP.
sub http {
    my ($server) = @_;
    my ($cursor, %seen) = '';

    do {
        my $body = $server->get("/presence?limit=500$cursor") // return undef;

        for (split /(?=\{"reviewerId":)/, $body) {
            my ($id) = /^\{"reviewerId":"([^"]*)"/ or next;
            my ($status) = /"status":"(\w+)"/;
            my ($feature) = /"currentFeature":"([^"]*)"/;

            $seen{$id} = join ' ', $status // '?', $feature // '-';
        }

        $cursor = $body =~ /"cursor":"?([^",}]+)/ ? "&cursor=$1" : '';
    } while ($cursor ne '');

    return \%seen;
}


# The same from the table, read as anybody would.
sub table {
    my ($server) = @_;
    my $file = "$server->{dir}/tasks.db";

    return undef unless -e $file;

    open my $fh, '-|', 'sqlite3', '-readonly', '-cmd', '.timeout 500', $file,
        "SELECT reviewer_id || ' ' || status || ' '"
        . " || coalesce(current_feature, '-')"
        . " FROM reviewer_presence WHERE status <> 'offline'"
        or return undef;

    my %seen = map { /^(\S+) (.*)$/ ? ($1 => $2) : () } <$fh>;

    close $fh or return undef;
    return \%seen;
}


1;
