#!/bin/sh
# rpi-image-gen has made the root; the card is ours. $1: the root, $2: where genimage would look.
set -eu
here=$(cd "$(dirname "$0")/../../../.." && pwd)
exec python3 "$here/recipe/rpi.py" "$1" "$IGconf_image_outputdir" "$IGconf_anpr_version"
