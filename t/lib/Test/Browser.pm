package Test::Browser;

# A Chromium without a window, driven by WebDriver (W3C) through chromedriver.

use warnings;
use strict;

use parent 'Exporter';

use File::Temp qw/ tempdir /;
use HTTP::Tiny;
use JSON::PP qw//;
use MIME::Base64 qw/ decode_base64 /;

our @EXPORT = qw/ browser /;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

my $ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

# The first keep a new profile from asking the world for anything.
my @FLAGS = qw{
    --no-first-run --disable-background-networking --disable-component-update
    --disable-sync --disable-default-apps --no-default-browser-check
    --headless --no-sandbox --disable-gpu --disable-dev-shm-usage
};


# browser('--flag', ...): a new browser with one blank page.  It ends with the
# object, or by stop().
sub browser {
    my (@flags) = @_;
    my $self = bless { dir => tempdir(CLEANUP => 1) };

    $self->{owner} = $$;
    $self->_driver();

    my $options = {
        binary => _find('chromium'),
        args   => [ @FLAGS, "--user-data-dir=$self->{dir}/profile", @flags ],
    };

    my $made = $self->_call(POST => '/session', { capabilities => {
        alwaysMatch => { 'goog:chromeOptions' => $options,
                         'goog:loggingPrefs' => { browser => 'ALL' } } } });

    $self->{session} = "/session/$made->{sessionId}";
    return $self;
}


# Opens a URL in the page that is in front.
sub open {
    my ($self, $url) = @_;
    return $self->_do(POST => '/url', { url => $url });
}


# page(): the handle of the page in front; page('new'): opens another one
# and brings it to the front; page($handle): brings that to the front.
sub page {
    my ($self, $page) = @_;

    return $self->_do(GET => '/window') unless defined $page;

    $page = $self->_do(POST => '/window/new', { type => 'window' })->{handle}
        if $page eq 'new';

    $self->_do(POST => '/window', { handle => $page });
    return $page;
}


# Closes the page in front; page(HANDLE) brings another one there.
sub close_page {
    my ($self) = @_;
    return $self->_do(DELETE => '/window');
}


# What a person reads in the first element that a CSS selector finds, '' if
# there is none or it is hidden.
sub text {
    my ($self, $css) = @_;
    return $self->js('const e = document.querySelector(arguments[0]);'
        . 'return e?.checkVisibility() ? e.innerText : "";', $css);
}


# Does what a person does.  What a field had is taken away by keys, too: that
# of WebDriver is not seen by every page.  Keys of WebDriver ("\x{e007}" is
# Enter) may be among the text.
sub click {
    my ($self, $css) = @_;
    return $self->_do(POST => $self->_element($css) . '/click', {});
}


sub type {
    my ($self, $css, $text) = @_;
    my $clear = "\x{e009}a\x{e000}\x{e003}";     # Control-A, Backspace

    return $self->_do(POST => $self->_element($css) . '/value',
        { text => $clear . $text });
}


# Runs the body of a JavaScript function and returns what it returns.
sub js {
    my ($self, $code, @args) = @_;
    return $self->_do(POST => '/execute/sync',
        { script => $code, args => \@args });
}


# A command of the DevTools protocol, and the page as a PNG.
sub devtools {
    my ($self, $command, $params) = @_;
    return $self->_do(POST => '/goog/cdp/execute',
        { cmd => $command, params => $params || {} });
}


sub screenshot {
    my ($self) = @_;
    return decode_base64($self->_do(GET => '/screenshot'));
}


# What the browser said in its console since the last call, as one text.
sub console {
    my ($self) = @_;
    my $entries = $self->_do(POST => '/se/log', { type => 'browser' });
    return join "\n", map { $_->{message} } @$entries;
}


sub stop {
    my ($self) = @_;
    local ($?, $@);

    my $session = delete $self->{session};
    eval { $self->_call(DELETE => $session) } if $session;

    my $pid = delete $self->{pid} or return;
    kill 'KILL', -$pid;
    waitpid $pid, 0;
}


sub DESTROY {
    my ($self) = @_;
    $self->stop() if $self->{owner} == $$;
}


sub _find {
    my ($name) = @_;
    my ($path) = grep { -x } map { "$_/$name" } split /:/, $ENV{PATH};
    return $path // die "$name not found\n";
}


# Starts chromedriver in a process group of its own.  It chooses a free port
# and prints it.
sub _driver {
    my ($self) = @_;
    my $driver = _find('chromedriver');

    pipe my $out, my $in or die "pipe: $!\n";
    my $pid = fork() // die "fork: $!\n";

    if (!$pid) {
        setpgrp;
        CORE::open STDIN, '<', '/dev/null';
        CORE::open STDOUT, '>&', $in;
        CORE::open STDERR, '>', "$self->{dir}/driver.log";
        delete @ENV{qw/ DISPLAY WAYLAND_DISPLAY DBUS_SESSION_BUS_ADDRESS /};
        $ENV{HOME} = $self->{dir};
        exec $driver, '--port=0' or exit 1;
    }

    close $in;
    $self->{pid} = $pid;

    while (my $line = <$out>) {
        next unless $line =~ /started successfully on port (\d+)/;
        $self->{url} = "http://127.0.0.1:$1";
        $self->{out} = $out;        # closed, its end would be a SIGPIPE
        last;
    }

    die "chromedriver did not start\n" unless $self->{url};
}


sub _element {
    my ($self, $css) = @_;
    my $found = $self->_do(POST => '/element',
        { using => 'css selector', value => $css });
    return "/element/$found->{$ELEMENT}";
}


sub _do {
    my ($self, $method, $path, $body) = @_;
    return $self->_call($method, $self->{session} . $path, $body);
}


sub _call {
    my ($self, $method, $path, $body) = @_;

    my $response = HTTP::Tiny->new(timeout => 60, proxy => undef)
        ->request($method, $self->{url} . $path, {
            headers => { 'Content-Type' => 'application/json' },
            defined $body ? (content => $json->encode($body)) : (),
        });

    my $answer = eval { $json->decode($response->{content}) } || {};
    my $value = ref $answer eq 'HASH' ? $answer->{value} : undef;

    die "$method $path: " . (ref $value eq 'HASH' && $value->{message}
        || $response->{content}) . "\n" unless $response->{success};

    return $value;
}


1;
