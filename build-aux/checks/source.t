#!/usr/bin/perl

# The rules of the source that a machine can see.

use strict;
use warnings;

use Test::More;

# What the core may include beside its own headers: no socket, no clock.
my %library = map { $_ => 1 } qw{
    assert.h inttypes.h jansson.h limits.h stdarg.h stdatomic.h stdbool.h
    sqlcipher/sqlite3.h sqlite3.h stddef.h stdint.h stdio.h stdlib.h string.h
    zlib.h
};

my @core = glob('src/*.[ch]');
my @glue = glob('ngx_conductor_module/*.[ch]');
my @tests = map { glob("$_/*.[ch]") } qw{ t/unit t/fuzz bench };

for my $file (@core, @glue, @tests) {
    my $text = slurp($file);
    my @wrong = map { "line $_->[0]: $_->[1]" } faults($file, $text);

    ok(!@wrong, "$file keeps to the style") or diag(join "\n", @wrong);
}

for my $file (@core) {
    my @foreign = grep {
        !/^cdr(?:_\w+)?\.h$/ && !m{^openssl/\w+\.h$} && !$library{$_}
    } slurp($file) =~ /^\s*#\s*include\s*[<"]([^>"]+)/mg;

    is("@foreign", '', "$file includes nothing that the core must not know");
}

for my $file (@core) {
    my $text = code(slurp($file));
    my @calls = $text =~ /\b(time|clock_gettime|gettimeofday|rand|random
                             |getenv|printf|fprintf|abort|exit)\s*\(/xg;

    is("@calls", '', "$file asks neither clock nor chance, and never exits");
}

done_testing();


sub slurp {
    my ($name) = @_;
    open my $fh, '<', $name or die "$name: $!\n";
    local $/;
    return scalar <$fh>;
}


# The text without comments and strings, of as many lines.
sub code {
    my ($text) = @_;

    $text =~ s{("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|(/\*.*?\*/)}
              {my $x = $1 // $2; (my $n = $x) =~ tr/\n//cd; $1 ? '""' : $n}gse;

    return $text;
}


sub faults {
    my ($file, $text) = @_;
    my @found;

    push @found, [ 1, 'the first line says what the file is for' ]
        unless $text =~ m{^/\*};

    push @found, [ 1, 'no guard' ]
        if $file =~ m{([^/]+)\.h$} && $text !~ /#define \U$1\E_H_INCLUDED/;

    my $n = 0;

    for (split /\n/, $text) {
        $n++;
        push @found, [ $n, 'a tab' ] if /\t/;
        push @found, [ $n, 'a space at the end' ] if / $/;
        push @found, [ $n, 'longer than 80 columns' ] if /.{81}/;
    }

    $n = 0;

    for (split /\n/, code($text)) {
        $n++;
        push @found, [ $n, 'a comment by //' ] if m{//};
    }

    return @found;
}
