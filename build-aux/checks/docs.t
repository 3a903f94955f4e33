#!/usr/bin/perl

# The documentation names what the source has, and nothing else.

use strict;
use warnings;

use Config;
use Cwd qw/ getcwd /;
use File::Basename qw/ dirname /;
use File::Temp qw/ tempdir /;
use POSIX qw/ sysconf _SC_PAGESIZE /;
use Test::More;

my %context = (
    MAIN => [ 'http' ],
    ALL  => [ qw/ http server location / ],
    LOC  => [ 'location' ],
    HUB  => [ 'conductor_hub' ],
    CHANNEL => [ 'channel' ],
    EVENT   => [ 'event' ],
);

my $glue = 'ngx_conductor_module';
my $directives = slurp('docs/directives.md');
my $protocol = slurp('docs/protocol.md');

my @zones;
my @pages = grep { -f } 'README.md', 'CHANGES.md', glob('docs/*.md'),
    glob('t/*.md'), glob('bench/*.md');

is_deeply(documented(), declared(),
    'every directive is in the reference, with its context');

is_deeply([ $directives =~ /^`\$(conductor_\w+)`$/mg ],
    [ slurp("$glue/ngx_conductor_variables.c")
          =~ /ngx_string\("(conductor_\w+)"\)/g ],
    'every variable is in the reference');

for my $section ('Directives', 'Directives of a hub') {
    my @names = section($directives, $section) =~ /^### (.*)$/mg;

    is_deeply(\@names, [ sort @names ], "\"$section\" go from A to Z");
}

is_deeply(rows('Close codes', 2),
    codes('CLOSE_CODES', qr/(\d+),\s*"(\w+)"/),
    'every close code is in the protocol');

is_deeply(rows('Error codes', 1), codes('ERROR_CODES', qr/"(\w+)"/),
    'every error code is in the protocol');

is_deeply([ map { [ $_ ] } slurp('client/src/core/error.ts')
        =~ /^export type ServerErrorCode =\n(.*?);/ms ? $1 =~ /'(\w+)'/g : () ],
    codes('ERROR_CODES', qr/"(\w+)"/),
    'every error code is in the browser package');

is_deeply(rows('Refusals', 4),
    [ map { [ $_->[2], $_->[0], $_->[1] || '', $_->[3] ] }
          @{codes('REFUSALS', qr/(\d+),\s*(\d+),\s*"(\w+)",\s*"(.*)"/)} ],
    'every refusal is in the protocol');

for my $dir ('src', $glue) {
    my %files = map { m{([^/]+)\.[ch]$} ? ($1 => 1) : () } glob("$dir/*.[ch]");
    my $prefix = $dir eq 'src' ? 'cdr' : $glue =~ s/_module//r;
    my @named = slurp('docs/architecture.md') =~ /^\| `(${prefix}\w*)` \|/mg;

    is_deeply([ sort @named ], [ sort keys %files ],
        "every file of $dir is in the architecture");
}

for my $page (@pages) {
    my @broken = grep { !reaches($page, $_) }
        prose($page) =~ /\]\((?!\w+:)([^)\s]+)\)/g;

    is("@broken", '', "the links of $page lead somewhere");
}

for my $page (@pages) {
    my $n = 0;

    for my $conf (grep { /^load_module/ } blocks($page, 'nginx')) {
        $n++;
        my $said = nginx_t($conf);
        is($?, 0, "configuration $n of $page passes nginx -t") or diag($said);
        push @zones, $said =~ /^nginx: (hub ".*)$/mg;
    }
}

# The sizes are those of 64 bits and pages of 4k, as most machines have.

SKIP: {
    skip 'another kind of machine', 1
        if sysconf(_SC_PAGESIZE) != 4096 || $Config{ptrsize} != 8;

    my ($quoted) = slurp('docs/operations.md') =~ /^(hub ".*)$/m;

    ok(scalar(grep { $_ eq ($quoted // '') } @zones),
        'what nginx -t prints of a zone is quoted as it is') or diag(@zones);
}

done_testing();


sub slurp {
    my ($name) = @_;
    open my $fh, '<', $name or die "$name: $!\n";
    local $/;
    return scalar <$fh>;
}


# Each directive of the source: "name" or "name (context)" => its contexts.
sub declared {
    my %found;

    my $text = slurp("$glue/ngx_conductor_module.c")
        . slurp("$glue/ngx_conductor_hub.c");

    while ($text =~ /\{ ngx_string\("(\w+)"\),\n\s+(NGX_\w+)/g) {
        my ($name, $flag) = ($1, $2);
        my ($kind) = $flag =~ /_([A-Z]+)_CONF$/;
        my @where = @{$context{$kind} or die "$name: unknown $flag\n"};

        $name .= " ($where[0])" if $flag =~ /^NGX_CONDUCTOR_(?!ALL)/;
        $found{$name} = join ', ', @where;
    }

    return \%found;
}


sub documented {
    my %found;

    while ($directives =~ /^### (.*?)\n(.*?)(?=^##|\z)/msg) {
        my ($name, $text) = ($1, $2);
        my ($word) = $name =~ /^(\w+)/;

        my @head = ("Syntax: \\| \\*\\*$word\\*\\* .*", 'Default: \| .*',
            'Context: \| .*');
        my $head = join '\n', map { "\\| $_ \\|" } @head;

        ok($text =~ /^$head\n\nSince \d+\.\d+\.\d+\.\n\n\w/m,
            "$name has syntax, default, context, since, and a text");

        $text =~ /^\| Context: \| (.*) \|$/m and $found{$name} = $1;
    }

    return \%found;
}


# What an X macro of the codes lists, in its order.
sub codes {
    my ($name, $re) = @_;

    my ($list) = slurp('src/cdr_codes.h')
        =~ /#define CDR_$name\(X\)\s*\\\n(.*?[^\\])\n\n/s or die "no $name\n";

    $list =~ s/\s*\\\n\s*/ /g;
    $list =~ s/\\\\\\"/'/g;

    my @found;

    for (split /\bX\(/, $list) {
        push @found, [ /$re/ ] if /\S/;
    }

    return \@found;
}


# The first columns of a section's table, in its order, without quotes.
sub rows {
    my ($title, $columns) = @_;
    my @found;

    for (section($protocol, $title) =~ /^\| (.*) \|$/mg) {
        my @cells = map { s/^\s+|\s+$|`//gr } split /\|/;

        next if $cells[0] eq 'code';
        push @found, [ map { tr/"/'/r } @cells[0 .. $columns - 1] ];
    }

    return \@found;
}


sub section {
    my ($text, $title) = @_;

    return $text =~ /^## \Q$title\E\n(.*?)(?=^## |\z)/ms ? $1 : '';
}


sub prose {
    my ($page) = @_;

    return slurp($page) =~ s/^```.*?^```//msgr;
}


sub blocks {
    my ($page, $language) = @_;

    return slurp($page) =~ /^```$language\n(.*?)^```/msg;
}


# Is there such a file, or such a heading in it?
sub reaches {
    my ($page, $link) = @_;

    my ($file, $anchor) = $link =~ /^([^#]*)#?(.*)$/;
    my $target = $file eq '' ? $page : dirname($page) . "/$file";

    return 0 unless -e $target;
    return 1 if $anchor eq '';

    my $text = prose($target);

    my %seen;

    # the second of a name gets a number

    return scalar grep { $_ eq $anchor } $text =~ /<a id="([^"]+)">/g,
        map { my $name = anchor($_); $seen{$name}++ ? "$name-"
              . ($seen{$name} - 1) : $name } $text =~ /^#+ (.*)$/mg;
}


# As the usual renderers name a heading.
sub anchor {
    my ($heading) = @_;

    return lc($heading) =~ s/[^\w\- ]//gr =~ s/ /-/gr;
}


sub nginx_t {
    my ($conf) = @_;

    my $nginx = $ENV{TEST_NGINX_BINARY} || '/usr/sbin/nginx';
    my $globals = $ENV{TEST_NGINX_GLOBALS}
        // 'load_module ' . getcwd() . '/build/ngx_conductor_module.so;';
    my $dir = tempdir(CLEANUP => 1);

    mkdir "$dir/logs";

    $conf =~ s/^load_module\s+\S*ngx_conductor_module\.so;/$globals/m;
    $conf =~ s/^http \{/http {\n    client_body_temp_path body;
        proxy_temp_path proxy; fastcgi_temp_path fastcgi;
        uwsgi_temp_path uwsgi; scgi_temp_path scgi;/m;

    open my $fh, '>', "$dir/nginx.conf" or die "$dir: $!\n";
    print $fh "pid nginx.pid; error_log logs/error.log;\n$conf";
    close $fh;

    local $ENV{JWT_SECRET} = 'a secret of at least thirty-two bytes';
    delete local $ENV{NGINX};

    return `"$nginx" -t -p "$dir/" -c nginx.conf -e stderr 2>&1`;
}
