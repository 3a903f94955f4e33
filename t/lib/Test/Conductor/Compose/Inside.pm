package Test::Conductor::Compose::Inside;

# Where the program of a service runs: its namespaces, its root, its user and
# its rights.

# The root is the machine's, with what is written to it held in memory, or, if
# the compose file says so, with nothing that can be written but the volumes.

use warnings;
use strict;

use Cwd qw/ abs_path /;
use File::Basename qw/ dirname /;
use File::Path qw/ make_path /;
use POSIX qw//;

use Test::Nginx qw//;

my $ROOT = abs_path(dirname(__FILE__) . '/../../../../..');

my $UNSHARE = (POSIX::uname())[4] eq 'aarch64' ? 97 : 272;
my $NEW = 0x04020000;       # of mounts and of the host's name


# The program, in place of this process; returns only if it dies.
sub become {
    my ($self) = @_;

    enter($self);
    program($self);
}


# Goes where the program will run.
sub enter {
    my ($self) = @_;
    my ($dir, $image) = @$self{qw/ dir image /};

    # what logs to /dev/stdout opens it by that name

    for ([ \*STDOUT, 'stdout.log' ], [ \*STDERR, 'error.log' ]) {
        open $_->[0], '>>', "$dir/$_->[1]" or die "$_->[1]: $!\n";
        chmod 0666, "$dir/$_->[1]";
    }

    open STDIN, '<', '/dev/null';
    $self->{net}->enter();
    syscall($UNSHARE, $NEW) == 0 or die "no namespaces: $!\n";
    sh('mount --make-rprivate /');

    my $top = "$dir/top";
    my $root = $self->{root} = "$top/root";

    mkdir $top;
    sh("mount -t tmpfs none $top");
    mkdir "$top/$_" for qw/ root upper work /;
    sh("mount -t overlay none $root"
       . " -o lowerdir=/,upperdir=$top/upper,workdir=$top/work");
    sh("mount --rbind /$_ $root/$_") for qw/ proc dev /;

    sh('hostname ' . ($self->{config}{hostname} // $self->{name}));
    lay_out($self);
    mount($self, $_) for $self->mounts();

    sh("mount -o remount,bind,ro $root") if $self->{config}{read_only};

    chroot $root or die "chroot: $!\n";
    chdir $image->{directory} or die "$image->{directory}: $!\n";
}


# Puts there what the image and the engine would have.
sub lay_out {
    my ($self) = @_;
    my ($root, $image) = @$self{qw/ root image /};
    my $nginx = readlink($Test::Nginx::NGINX) // $Test::Nginx::NGINX;

    open my $f, '>', "$root/etc/hosts" or die "hosts: $!\n";
    print $f $self->{hosts};
    close $f;

    make_path("$root$image->{directory}");

    for my $name (qw/ access error /) {
        my $log = "$root/var/log/nginx/$name.log";

        unlink $log;
        symlink $name eq 'error' ? '/dev/stderr' : '/dev/stdout', $log;
    }

    sh("mount --bind '$nginx' $root/usr/sbin/nginx")
        if $nginx ne '/usr/sbin/nginx';

    if ($image->{own}) {
        my ($module) = $ENV{TEST_NGINX_GLOBALS} =~ /load_module\s+([^;]+);/;

        unlink "$root/etc/nginx/nginx.conf";
        sh("'$ROOT/build-aux/image/install' $root '$module'");
    }
}


sub mount {
    my ($self, $m) = @_;
    my $target = "$self->{root}$m->{target}";

    if ($m->{named}) {
        my $user = $self->{image}{user} // 0;

        mkdir $m->{source};
        chown $user, $user, $m->{source};
    }

    -e $m->{source} or die "$m->{source}: is not there\n";

    if (-d $m->{source}) {
        make_path($target);

    } else {
        make_path(dirname($target));
        open my $f, '>>', $target or die "$m->{target}: $!\n";
    }

    sh("mount --bind '$m->{source}' '$target'");
    sh("mount -o remount,bind,ro '$target'") if $m->{ro};
}


# Becomes the program: with its environment, as its user, with no more rights
# than the file leaves it.
sub program {
    my ($self) = @_;
    my ($image, $config) = @$self{qw/ image config /};
    my $command = $config->{command} // $image->{command};
    my @as = qw/ --pdeathsig KILL /;

    $command = [ split ' ', $command ] if !ref $command;

    push @as, '--reuid', $image->{user}, '--regid', $image->{user},
              '--clear-groups' if $image->{user};
    push @as, qw/ --bounding-set -all --inh-caps -all /
        if grep { $_ eq 'ALL' } @{$config->{cap_drop} || []};
    push @as, '--no-new-privs'
        if grep { /^no-new-privileges/ } @{$config->{security_opt} || []};

    %ENV = $self->environment();

    exec 'prlimit', '--nofile=' . $self->nofile(), 'setpriv', @as, '--', @$command, @{$image->{more} || []}
        or die "prlimit: $!\n";
}


sub sh {
    my ($command) = @_;
    system($command) == 0 or die "failed: $command\n";
}


1;
