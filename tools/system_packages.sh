#!/bin/sh
# Install the counter-parties of the tests where apt may be used; else say what is missing.
set -eu
missing=""
need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"; }
need Orthanc orthanc
[ -e /usr/share/orthanc/plugins/libOrthancDicomWeb.so ] || missing="$missing orthanc-dicomweb"
need storescu dcmtk
need dciodvfy dicom3tools
need chromium chromium
need dcm2niix dcm2niix
need strace strace
need tesseract tesseract-ocr
font() { [ -d "/usr/share/fonts/truetype/$1" ] || missing="$missing $2"; }
font liberation fonts-liberation
font freefont fonts-freefont-ttf
font open-sans fonts-open-sans
font roboto fonts-roboto-unhinted
font dejavu fonts-dejavu
font hack fonts-hack
font noto fonts-noto-mono
font lato fonts-lato
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$missing postgresql"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ]; then sudo=""; elif sudo -n true 2>/dev/null; then sudo="sudo"; else
  echo "Tests that need these packages will be skipped:$missing"
  echo "Install them with: sudo apt-get install$missing"
  exit 0
fi
echo "Installing for the tests:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
$sudo apt-get update -qq && $sudo apt-get install -y -qq $missing >/dev/null || \
  echo "apt-get could not install:$missing; the tests that need them will be skipped"
