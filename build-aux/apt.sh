# Source packages of Debian, without a change to the machine's own apt: lists
# and settings lie in build/apt.  Sourced, with $root and $list (a file of
# sources) set.

export LC_ALL=C

apt=$root/build/apt
keyring=/usr/share/keyrings/debian-archive-keyring.gpg


private_apt() {
    command=$1
    shift

    "$command" -q -o APT::Sandbox::User=root -o Dir::State="$apt/state" \
        -o Dir::State::Status=/var/lib/dpkg/status \
        -o Dir::Cache="$apt/cache" "$@"
}


source_apt() {
    private_apt "$@" -o Dir::Etc::SourceList="$list" \
        -o Dir::Etc::SourceParts=/dev/null
}


# sources FORMAT FILTER...: takes to sources that are made of what the private
# apt, or the machine's own, knows.

sources() {
    signed=
    [ ! -f $keyring ] || signed="[signed-by=$keyring] "

    format="deb-src $signed$1"
    shift

    ${indextargets:-private_apt apt-get indextargets} --format "$format" \
        'Created-By: Packages' "$@" | sort -u > "$list"

    [ -s "$list" ] && source_apt apt-get update
}


mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
