package Test::Conductor::Container;

# What a container engine does with an image, for one that is built and lies
# in a directory: a root file system that cannot be written, a process tree of
# its own, a user, a volume, and what is mounted.  Needs root.

use warnings;
use strict;

use File::Path qw/ make_path /;
use JSON::PP qw//;

use Test::Conductor qw/ wait_for /;

my $json = JSON::PP->new->utf8;
my $self_made = 0;

# The arguments: the image, the directory of the container, its volume and
# where that is mounted, then pairs of files and their places, up to "--".
my $SCRIPT = <<'END';
set -eu
image=$1 dir=$2 volume=$3 root=$dir/root at=$root$4
shift 4

mount --make-rprivate /
mkdir -p "$dir/upper" "$dir/work" "$root"
mount -t overlay -o "lowerdir=$image,upperdir=$dir/upper,workdir=$dir/work" \
    overlay "$root"

mount --bind "$volume" "$at"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"

for name in null zero full random urandom; do
    touch "$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done

ln -s /proc/self/fd "$root/dev/fd"
for n in stdin:0 stdout:1 stderr:2; do
    ln -s "/proc/self/fd/${n#*:}" "$root/dev/${n%:*}"
done

while [ "$1" != -- ]; do
    mkdir -p "$root${2%/*}"
    touch "$root$2"
    mount --bind "$1" "$root$2"
    mount -o remount,ro,bind "$root$2"
    shift 2
done

shift
mount -o remount,ro "$root/dev"
mount -o remount,ro "$root"
cd "$at"
exec chroot "$root" "$@"
END


# new($built, $dir, %opt): a container of the image below $built (root and
# config.json, see build-aux/image/build), with its files in $dir; not started.
#
#     volume => 'name'           one of the test's, kept; else a new one
#     user   => '5111:5111'      else the image's
#     env    => { NAME => ... }
#     mounts => { '/path' => $file }
sub new {
    my ($class, $built, $dir, %opt) = @_;

    open my $fh, '<', "$built/config.json" or die "config.json: $!\n";
    my $config = $json->decode(do { local $/; <$fh> })->{Docker}{config};

    my $self = bless { %opt, image => "$built/root", config => $config },
        $class;

    $self->{dir} = "$dir/container-" . ++$self_made;
    $self->{volume} = "$dir/" . ($opt{volume} // "volume-$self_made");
    $self->{user} //= $config->{User};

    make_path($self->{dir});
    $self->{mounts} = { '/etc/hosts' => $self->hosts(), %{$opt{mounts} || {}} };
    $self->make_volume() unless -d $self->{volume};

    return $self;
}


sub config { $_[0]{config} }
sub volume { $_[0]{volume} }
sub stdout { slurp("$_[0]{dir}/stdout") }
sub stderr { slurp("$_[0]{dir}/stderr") }

# The process 1 of the container, as it is called outside.
sub pid { $_[0]{pid} }


# Every engine gives one.
sub hosts {
    my ($self) = @_;

    open my $fh, '>', "$self->{dir}/hosts" or die "hosts: $!\n";
    print $fh "127.0.0.1 localhost\n::1 localhost\n";
    close $fh;
    return "$self->{dir}/hosts";
}


# A volume is new as the image has its directory.
sub make_volume {
    my ($self) = @_;
    my ($at) = keys %{$self->{config}{Volumes}};

    system('cp', '-a', "$self->{image}$at", $self->{volume}) == 0
        or die "no volume\n";
}


# start(%opt): runs what the image runs, or args => [ ... ] in its place.
# stdout => $handle: in place of a file.
sub start {
    my ($self, %opt) = @_;
    my ($at) = keys %{$self->{config}{Volumes}};
    my $mounts = $self->{mounts};

    my @command = (
        qw/ unshare --mount --pid --fork --kill-child sh -c /, $SCRIPT, 'sh',
        $self->{image}, $self->{dir}, $self->{volume}, $at,
        (map { $mounts->{$_} => $_ } sort keys %$mounts), '--',
        $self->as_user(), $self->clean_env(),
        @{$self->{config}{Entrypoint}}, @{$opt{args} || []});

    $self->{unshare} = fork() // die "fork: $!\n";

    if (!$self->{unshare}) {
        open STDIN, '<', '/dev/null';
        $self->collect('STDOUT', $opt{stdout} // "$self->{dir}/stdout");
        $self->collect('STDERR', "$self->{dir}/stderr");
        exec @command or exit 127;
    }

    wait_for(sub { ($self->{pid} = $self->child()) || !$self->running() });
    return $self;
}


# As an engine does it: who runs in the container owns where it writes to.
sub collect {
    my ($self, $name, $to) = @_;
    my ($uid, $gid) = split /:/, $self->{user};
    no strict 'refs';

    open *$name, ref $to ? '>&' : '>>', $to or die "$name: $!\n";
    chown $uid, $gid, \*$name;
}


sub as_user {
    my ($self) = @_;
    my ($uid, $gid) = split /:/, $self->{user};

    return (qw/ setpriv --clear-groups --no-new-privs --inh-caps=-all
                --bounding-set=-all /, "--reuid=$uid", "--regid=$gid");
}


sub clean_env {
    my ($self) = @_;
    my $env = $self->{env} || {};

    return (qw/ env -i HOME=\/ /, @{$self->{config}{Env}},
            map { "$_=$env->{$_}" } sort keys %$env);
}


sub child {
    my ($self) = @_;
    my $n = $self->{unshare};
    my ($pid) = slurp("/proc/$n/task/$n/children") =~ /(\d+)/;
    return $pid;
}


sub running {
    my ($self) = @_;

    return 0 unless $self->{unshare};
    return 1 unless waitpid $self->{unshare}, 1;

    $self->{status} = $? >> 8 || ($? & 127 ? 128 + ($? & 127) : 0);
    delete $self->{unshare};
    return 0;
}


# The status of the image's health check, and what it says.
sub health {
    my ($self, @args) = @_;
    my ($kind, @check) = @{$self->{config}{Healthcheck}{Test}};

    return $self->run(@check, @args);
}


# Runs a program in the container, which must run.
sub run {
    my ($self, @command) = @_;

    my $child = open(my $fh, '-|') // die "fork: $!\n";

    if (!$child) {
        open STDERR, '>>', "$self->{dir}/run.log";
        exec 'nsenter', '--target', $self->{pid}, qw/ --mount --pid --root
            --wd /, $self->as_user(), $self->clean_env(), @command;
        exit 127;
    }

    my $said = do { local $/; <$fh> } // '';
    close $fh;
    return ($? >> 8, $said);
}


sub signal {
    my ($self, $signal) = @_;
    kill $signal, $self->{pid} if ($self->{pid} // 0) > 1;
}


# The exit status, once it has ended.
sub ended {
    my ($self) = @_;

    wait_for(sub { !$self->running() }, 40);
    return $self->{status};
}


# stop($signal): as an engine stops it, or by another signal.
sub stop {
    my ($self, $signal) = @_;

    return $self->{status} unless $self->running();
    $self->signal($signal // $self->{config}{StopSignal} =~ s/^SIG//r);
    return $self->ended();
}


# What was written that is not in the volume: paths, with what was mounted.
sub written {
    my ($self) = @_;
    my $upper = "$self->{dir}/upper";
    return sort split /\n/, `cd '$upper' && find . -type f -size +0`;
}


sub DESTROY {
    my ($self) = @_;
    local ($?, $@);

    if ($self->{unshare} && $self->running()) {
        kill 'KILL', $self->{unshare};
        waitpid $self->{unshare}, 0;
    }
}


sub slurp {
    my ($name) = @_;
    open my $fh, '<', $name or return '';
    local $/;
    return scalar <$fh> // '';
}


1;
