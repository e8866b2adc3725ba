set -u
umask 077
LC_ALL=C
export LC_ALL
why='' pids='' started=0 deadline=0
tab=$(printf '\t')
PATH=${PATH:-}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
dir=$(mktemp -d 2>/dev/null) || dir=$(TMPDIR=/dev/shm mktemp -d) || exit 1
chmod 711 "$dir"
leave() {
	for p in $pids; do kill -TERM -- "-$p" 2>/dev/null || kill "$p" 2>/dev/null; done
	rm -rf "$dir"
}
trap leave EXIT
trap 'exit 1' HUP INT TERM

# What is said of a case: its number and, where it is not met, what was found.
met() { printf 'ok\t%s\n' "$1"; }
unmet() { printf 'not\t%s\t%s\n' "$1" "$(printf %s "$2" | tr '\t\n' '  ' | tr -d '\001-\037\177' | cut -c1-400)"; bad=yes; }
bad=''

# now looks once, later until the time is up.
now() {
	id=$1 why=''
	shift
	if "$@"; then met "$id"; else unmet "$id" "$why"; fi
}
later() {
	id=$1 why=''
	shift
	until "$@"; do
		if [ "$(date +%s)" -ge "$deadline" ]; then
			unmet "$id" "$why"
			return
		fi
		sleep 1
		why=''
	done
	met "$id"
}
not() {
	if "$@"; then
		why='it is'
		return 1
	fi
	why=''
}
equal() {
	[ "$1" = "$2" ] && return 0
	why="it is ${1:-empty}"
	return 1
}
excerpt() { head -n 3 "$1" | cut -c1-200; }

if timeout -k 5 5 true 2>/dev/null; then
	limit() { timeout -k 5 "$@"; }
elif timeout 5 true 2>/dev/null; then
	limit() { timeout "$@"; }
else
	limit() {
		wait_for=$1
		shift
		"$@" &
		running=$!
		(sleep "$wait_for"; kill "$running") >/dev/null 2>&1 &
		watch=$!
		wait "$running"
		code=$?
		kill "$watch" 2>/dev/null
		return $code
	}
fi

# start runs a command beside what follows.
start() {
	started=$((started + 1))
	printf '%s\n' "$1" >"$dir/start.$started"
	if command -v setsid >/dev/null 2>&1; then
		setsid /bin/sh "$dir/start.$started" </dev/null >"$dir/printed.$started" 2>&1 &
	else
		/bin/sh "$dir/start.$started" </dev/null >"$dir/printed.$started" 2>&1 &
	fi
	pids="$pids $!"
}

# listening PROTOCOL PORT ADDRESS, the last two in hex.
listening() {
	case $1 in
	tcp | udp) set -- "$1" "$2" "$3" "/proc/net/$1" "/proc/net/${1}6" ;;
	tcp4) set -- "$1" "$2" "$3" /proc/net/tcp ;;
	udp4) set -- "$1" "$2" "$3" /proc/net/udp ;;
	*) set -- "$1" "$2" "$3" "/proc/net/$1" ;;
	esac
	state=0A
	case $1 in udp*) state=07 ;; esac
	port=$2 address=$3 elsewhere='' seen=''
	shift 3
	for table in "$@"; do
		[ -r "$table" ] || continue
		seen=yes
		while read -r _ at _ st _; do
			[ "$st:${at##*:}" = "$state:$port" ] || continue
			case $address in '' | "${at%:*}") return 0 ;; esac
			elsewhere=yes
		done <"$table"
	done
	why='nothing listens there'
	[ -z "$elsewhere" ] || why='only other addresses are listened at'
	[ -n "$seen" ] || why="$1 can not be read"
	return 1
}

# versions_of sets versions to those of a package that are installed.
versions_of() {
	versions='' manager=yes
	if command -v dpkg-query >/dev/null 2>&1 && [ -r /var/lib/dpkg/status ]; then
		versions=$(dpkg-query -W -f='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | sed -n 's/^installed //p')
	elif command -v rpm >/dev/null 2>&1 && [ -d "$(rpm --eval '%_dbpath' 2>/dev/null)" ]; then
		versions=$(rpm -q --qf '%{VERSION}-%{RELEASE}\n' "$1" 2>/dev/null) || versions=''
	elif [ -r /lib/apk/db/installed ]; then
		apk_version /lib/apk/db/installed "$1"
	elif [ -r /usr/lib/apk/db/installed ]; then
		apk_version /usr/lib/apk/db/installed "$1"
	elif command -v pacman >/dev/null 2>&1; then
		versions=$(pacman -Q "$1" 2>/dev/null | sed 's/^[^ ]* //')
	else
		manager=''
	fi
}
apk_version() {
	name=''
	while IFS= read -r line; do
		case $line in
		P:*) name=${line#P:} ;;
		V:*) if [ "$name" = "$2" ]; then versions=${line#V:}; fi ;;
		esac
	done <"$1"
}
installed() {
	versions_of "$1"
	[ -z "$versions" ] || return 0
	why='it is not installed'
	[ -n "$manager" ] || why='the machine has no package manager that is known: neither dpkg nor rpm nor apk nor pacman'
	return 1
}
# version NAME, and then pairs of a kind and a text, one of which must fit.
version() {
	installed "$1" || return 1
	shift
	while [ $# -gt 1 ]; do
		for v in $versions; do
			for form in "$v" "${v#*:}"; do
				if [ "$1" = re ]; then
					printf '%s\n' "$2" >"$dir/re"
					printf '%s\n' "$form" | grep -E -q -f "$dir/re" 2>/dev/null && return 0
				else
					case $form in "$2" | "$2"[!0-9A-Za-z]*) return 0 ;; esac
				fi
			done
		done
		shift 2
	done
	why="it is $versions"
	return 1
}

enabled() {
	if command -v systemctl >/dev/null 2>&1; then
		state=$(systemctl is-enabled "$1" 2>/dev/null) && return 0
	fi
	for at in "/etc/systemd/system/"*".wants/$1.service" "/etc/systemd/system/"*".wants/$1" "/etc/runlevels/"*"/$1" /etc/rc[S2345].d/S[0-9][0-9]"$1"; do
		if [ -e "$at" ] || [ -L "$at" ]; then return 0; fi
	done
	why="it is ${state:-not enabled}"
	return 1
}
active() {
	if [ -d /run/systemd/system ]; then
		state=$(systemctl is-active "$1" 2>/dev/null) && return 0
		why="it is ${state:-not known}"
	elif command -v rc-service >/dev/null 2>&1; then
		rc-service "$1" status >/dev/null 2>&1 && return 0
		why='it does not run'
	elif [ -x "/etc/init.d/$1" ]; then
		"/etc/init.d/$1" status >/dev/null 2>&1 && return 0
		why='it does not run'
	else
		why='nothing here manages a service of that name'
	fi
	return 1
}

there() {
	if [ -e "$1" ] || [ -L "$1" ]; then return 0; fi
	why='it is not there'
	return 1
}
filetype() {
	there "$1" || return 1
	is=something
	if [ -L "$1" ]; then is=symlink
	elif [ -f "$1" ]; then is=file
	elif [ -d "$1" ]; then is=directory
	elif [ -S "$1" ]; then is=socket
	elif [ -p "$1" ]; then is=pipe
	elif [ -b "$1" ]; then is=block-device
	elif [ -c "$1" ]; then is=character-device
	fi
	equal "$is" "$2"
}
# status PATH FORMAT VALUE, with a format of stat.
status() {
	there "$1" || return 1
	found=$(stat -L -c "$2" "$1" 2>&1) || { why=$found; return 1; }
	equal "$found" "$3"
}
linked() {
	there "$1" || return 1
	[ -L "$1" ] || { why='it is no symlink'; return 1; }
	found=$(readlink "$1")
	[ "$found" = "$2" ] || [ "$(readlink -f "$1")" = "$2" ] || equal "$found" "$2"
}
readable() {
	there "$1" || return 1
	[ -f "$1" ] || { why='it is no file'; return 1; }
	[ -r "$1" ] || { why='it can not be read'; return 1; }
}
# has FILE KIND PATTERN looks in each line.
has() {
	printf '%s\n' "$3" >"$dir/pattern"
	how=-F
	[ "$2" = text ] || how=-E
	grep "$how" -q -f "$dir/pattern" "$1" 2>"$dir/grep" && return 0
	why='no line has it'
	[ ! -s "$dir/grep" ] || why=$(cat "$dir/grep")
	return 1
}
contains() {
	readable "$1" || return 1
	has "$1" "$2" "$3"
}
digest() {
	readable "$1" || return 1
	found=$(sha256sum <"$1") || { why='the machine has no sha256sum'; return 1; }
	equal "${found%% *}" "$2"
}

# ran NUMBER SECONDS STATUS USER COMMAND
ran() {
	printf '%s\n' "$5" >"$dir/command.$1"
	: >"$dir/stdout.$1"
	: >"$dir/stderr.$1"
	if [ -z "$4" ]; then
		limit "$2" /bin/sh "$dir/command.$1" </dev/null >"$dir/stdout.$1" 2>"$dir/stderr.$1"
	else
		chown "$4" "$dir/command.$1" || { why="there is no user $4, or it can not be used"; return 1; }
		limit "$2" su -s /bin/sh -c 'exec /bin/sh "$0"' -- "$4" "$dir/command.$1" </dev/null >"$dir/stdout.$1" 2>"$dir/stderr.$1"
	fi
	code=$?
	[ "$code" = "$3" ] && return 0
	why="it is $code"
	case $code in 124 | 137 | 143) why="it was not done after ${2}s" ;; esac
	said=$(excerpt "$dir/stderr.$1")
	[ -n "$said" ] || said=$(excerpt "$dir/stdout.$1")
	[ -z "$said" ] || why="$why: $said"
	return 1
}
# printed NUMBER STREAM KIND PATTERN
printed() {
	if [ "$3" = re ]; then
		has "$dir/$2.$1" re "$4" && return 0
		[ ! -s "$dir/grep" ] || return 1
	else
		case $(cat "$dir/$2.$1") in *"$4"*) return 0 ;; esac
	fi
	said=$(excerpt "$dir/$2.$1")
	why='it printed nothing'
	[ -z "$said" ] || why="it printed: $said"
	return 1
}

account() {
	entry=$(getent passwd "$1" 2>/dev/null) || entry=$(entry_of /etc/passwd "$1")
	[ -n "$entry" ] || { why='there is none'; return 1; }
	IFS=: read -r _ _ uid gid _ home shell <<END
$entry
END
}
entry_of() {
	while IFS= read -r line; do
		if [ "${line%%:*}" = "$2" ]; then printf '%s\n' "$line"; fi
	done <"$1"
}
# account_has NAME FIELD VALUE
account_has() {
	account "$1" || return 1
	case $2 in
	uid) equal "$uid" "$3" ;;
	gid) equal "$gid" "$3" ;;
	home) equal "$home" "$3" ;;
	shell) equal "$shell" "$3" ;;
	group)
		groups=$(id -Gn "$1" 2>/dev/null)
		case " $groups " in *" $3 "*) return 0 ;; esac
		why="it is in $groups"
		return 1
		;;
	esac
}
group() {
	entry=$(getent group "$1" 2>/dev/null) || entry=$(entry_of /etc/group "$1")
	[ -n "$entry" ] || { why='there is none'; return 1; }
	IFS=: read -r _ _ gid _ <<END
$entry
END
}
group_gid() {
	group "$1" || return 1
	equal "$gid" "$2"
}

kernel() {
	[ -r "/proc/sys/$1" ] || { why="there is no /proc/sys/$1"; return 1; }
	equal "$(tr -s '\t ' '  ' <"/proc/sys/$1")" "$2"
}
process() {
	for p in /proc/[0-9]*; do
		[ "$p" = "/proc/$$" ] && continue
		{ read -r name <"$p/comm"; } 2>/dev/null || continue
		[ "$name" = "$1" ] && return 0
	done
	why='there is none'
	return 1
}
# mounted PATH FIELD VALUE
mounted() {
	found=''
	while read -r source target kind options _; do
		[ "$target" = "$1" ] || continue
		case $2 in
		source) found=$source ;;
		filesystem) found=$kind ;;
		option) found=$options ;;
		*) return 0 ;;
		esac
	done </proc/self/mounts
	[ -n "$found" ] || { why='nothing is mounted there'; return 1; }
	if [ "$2" = option ]; then
		case ",$found," in *",$3,"*) return 0 ;; esac
	fi
	equal "$found" "$3"
}
