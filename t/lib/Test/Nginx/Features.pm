package Test::Nginx::Features;

# What this nginx and this machine can do, and the skip where they cannot.

use warnings;
use strict;

use File::Spec;
use Test::More qw//;


# Modules that an nginx has unless it was built --without-http_NAME_module.
my %builtin = map { $_ => 1 } qw/
    access auth_basic autoindex browser charset empty_gif fastcgi geo grpc
    gzip limit_conn limit_req map memcached mirror proxy referer rewrite scgi
    split_clients ssi upstream_hash upstream_ip_hash upstream_keepalive
    upstream_least_conn upstream_random upstream_zone userid uwsgi
/;

# Modules that a distribution ships as shared objects.
my %dynamic = (
    geoip => 'ngx_http_geoip_module', http_geoip => 'ngx_http_geoip_module',
    image_filter => 'ngx_http_image_filter_module',
    perl => 'ngx_http_perl_module', xslt => 'ngx_http_xslt_filter_module',
    mail => 'ngx_mail_module', stream => 'ngx_stream_module',
    stream_geoip => 'ngx_stream_geoip_module',
);


# What nginx -V says.
sub configured {
    my ($self) = @_;
    return $self->{configured} //= `$Test::Nginx::NGINX -V 2>&1`;
}


# Skips the file, or fails it where CI is set, unless all features are there.
sub has {
    my ($self, @features) = @_;

    for my $feature (@features) {
        missing("no $feature available")
            unless $self->has_module($feature) || $self->has_feature($feature);
    }

    return $self;
}


# Whether this nginx has a module; a shared one is then also loaded.
sub has_module {
    my ($self, $feature) = @_;

    my $globals = $ENV{TEST_NGINX_GLOBALS} // '';
    my $args = $self->configured();

    return $args !~ /--without-http(?!\S)/ if $feature eq 'http';
    return $args !~ /--without-pcre(?!2|\S)/ if $feature eq 'pcre';
    return $args !~ /--without-http-cache/ if $feature eq 'cache';
    return $args =~ /TLS SNI support enabled/ if $feature eq 'sni';
    return $args !~ /--without-http_\Q$feature\E_mod/ if $builtin{$feature};

    return 1 if $globals =~ /load_module\s+[^;]*\Q$feature\E[^;]*\.so\s*;/;

    my $name = $dynamic{$feature};

    if ($name) {
        return 1 if $globals =~ /load_module\s+[^;]*\Q$name\E\.so\s*;/;
        return 1 if $args =~ /--with-(?:http_)?\Q$feature\E(?:_module)?(?!\S)/;

        my $so = $self->modules_dir() . "/$name.so";
        return 0 unless -e $so;

        $self->{modules}{$so} = 1;
        return 1;
    }

    return 1 if $args =~ /--with-http_\Q$feature\E_module(?!\S)/;
    return $args =~ $feature ? 1 : 0;
}


# Where nginx looks for modules, or TEST_NGINX_MODULES.
sub modules_dir {
    my ($self) = @_;

    return File::Spec->rel2abs($ENV{TEST_NGINX_MODULES})
        if defined $ENV{TEST_NGINX_MODULES};

    my ($dir) = $self->configured() =~ /--modules-path=(\S+)/;
    return $dir // (File::Spec->splitpath($Test::Nginx::NGINX))[1];
}


# What has() asks for beside modules: the system, IO::Socket::SSL, OpenSSL.
sub has_feature {
    my ($self, $feature) = @_;

    return 1 if $feature =~ /^(?:unix|udp|symlink)$/;

    if ($feature =~ /^socket_ssl(?:_(\w+))?$/) {
        my $part = $1 // '';

        return 0 unless eval { require IO::Socket::SSL; 1 };
        return IO::Socket::SSL->can_client_sni() if $part eq 'sni';
        return IO::Socket::SSL->can_alpn() if $part eq 'alpn';
        return IO::Socket::SSL->can('get_sslversion') if $part eq 'sslversion';
        return IO::Socket::SSL->can('get_session_reused') if $part eq 'reused';
        return $part eq '';
    }

    if ($feature =~ /^(openssl|libressl):([0-9.]+)/) {
        my ($library, $need) = ($1, $2);

        return $self->configured() =~ /with $library ([0-9.]+)/i
               && version_ge($1, $need);
    }

    return 0;
}


# Whether nginx is of this version or later.
sub has_version {
    my ($self, $need) = @_;

    return $self->configured() =~ m!nginx version: \S+?/([0-9.]+)!
           && version_ge($1, $need);
}


# Skips, as has() does, unless a program is in PATH.
sub has_daemon {
    my ($self, $daemon) = @_;

    missing("$daemon not found")
        unless grep { -x "$_/$daemon" } File::Spec->path();

    return $self;
}


# A dependency is not there: a skip for a user, a failure where CI is set.
sub missing {
    my ($reason) = @_;

    die "$reason, and it must not be missing where CI is set\n" if $ENV{CI};
    Test::More::plan(skip_all => $reason);
}


# Compares dotted numbers.
sub version_ge {
    my @have = split /\./, shift;

    for my $n (split /\./, shift) {
        my $v = shift @have || 0;
        return $v > $n if $v != $n;
    }

    return 1;
}


1;
