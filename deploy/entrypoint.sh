#!/bin/sh
# Gives the cache what the image prepared, unless it is there, and runs `sisf` with the arguments of the container. A
# volume hides what an image holds at its place, so that what was prepared lies elsewhere.
prepared=${SISF_PREPARED_DIR:-/opt/prepared}

give() {
  mkdir -p "$SISF_CACHE_DIR/$(dirname "$1")" &&
    cp "$prepared/$1" "$SISF_CACHE_DIR/$1.new" &&
    mv "$SISF_CACHE_DIR/$1.new" "$SISF_CACHE_DIR/$1"
}

(cd "$prepared" && find . -type f) | while read -r file; do
  [ -e "$SISF_CACHE_DIR/$file" ] || give "$file" || {
    echo "sisf: $SISF_CACHE_DIR cannot be written: what the image prepared is done anew" >&2
    break
  }
done
exec sisf "$@"
