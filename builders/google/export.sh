#!/bin/sh
# Sends the disk as a tar.gz to each object. It is read once: what the part after
# the part comes to is sent to all of them, and sent again when it is lost.
# Lines that begin with "ingot-export:" are for who reads the console.
say() { echo "ingot-export: $*"; }
fail() {
	say "failed $*"
	exit 1
}
say begin
part_size=67108864 # a multiple of 256 KiB, which the service asks for
tries=12
dir=$(mktemp -d -p /var/tmp) || fail "there is no room in /var/tmp"
cd "$dir" || exit
command -v curl >/dev/null || fail "there is no curl in the image: choose another source_image_family"
size=$(blockdev --getsize64 "$DISK") || fail "there is no disk $DISK"
[ "$size" = "$SIZE" ] || fail "the disk has $size bytes, and not $SIZE"

curl -fsS -H 'Metadata-Flavor: Google' "$METADATA/instance/service-accounts/default/token" >token ||
	fail "the instance has no service account that a token could be had for"
sed -n 's/.*"access_token" *: *"\([^"]*\)".*/Authorization: Bearer \1/p' <token >auth

# open NAME BUCKET OBJECT begins an upload, whose address goes into NAME.session.
open() {
	code=$(curl -sS -X POST -H @auth -H 'Content-Type: application/json' -H 'X-Upload-Content-Type: application/gzip' --data '{}' \
		-D heads -o out -w '%{http_code}' "$STORAGE/upload/storage/v1/b/$2/o?uploadType=resumable&name=$3") || code=000
	[ "$code" = 200 ] || fail "$1 $code $(tr -d '\n' <out | cut -c1-2000)"
	tr -d '\r' <heads | sed -n 's/^[Ll]ocation: *//p' >"$1.session"
}

# put NAME TOTAL sends the part, of n bytes from byte at on. TOTAL is "*" but for
# the last part, after which the service answers with the object.
put() {
	from=$at
	left=$tries
	while [ "$left" -gt 0 ]; do
		left=$((left - 1))
		tail -c +$((from - at + 1)) part >rest
		span='*'
		[ -s rest ] && span=$from-$((at + n - 1))
		code=$(curl -sS -X PUT -H "Content-Range: bytes $span/$2" -T rest -D heads -o "$1.out" -w '%{http_code}' "$(cat "$1.session")") || code=000
		case $code in
		200 | 201) return ;;
		308)
			have=$(tr -d '\r' <heads | sed -n 's/^[Rr]ange: *bytes=0-//p')
			from=$((${have:--1} + 1))
			[ "$from" -ge "$at" ] || fail "$1 308 the service has lost what it had"
			[ "$from" -eq $((at + n)) ] && [ "$2" = '*' ] && return
			;;
		408 | 429 | 5?? | 000)
			from=$((at + n)) # nothing to send: the service says what it has
			sleep $(((tries - left) * 2))
			;;
		*) break ;;
		esac
	done
	fail "$1 $code $(tr -d '\n' <"$1.out" | cut -c1-2000)"
}

send() {
	at=0
	total='*'
	while [ "$total" = '*' ]; do
		head -c "$part_size" >part
		n=$(wc -c <part)
		if [ "$n" -lt "$part_size" ]; then
			[ -e broken ] && fail "the disk can't be read"
			total=$((at + n))
		fi
		for name in $NAMES; do
			put "$name" "$total"
		done
		at=$((at + n))
		say "sent $at"
	done
}

disk() {
	cat header
	dd if="$DISK" bs=4M status=none || touch broken
	head -c 1024 /dev/zero
}

zip='gzip -1'
command -v pigz >/dev/null && zip='pigz -1'
