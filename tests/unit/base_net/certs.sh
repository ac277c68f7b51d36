#!/bin/sh
# Makes the certificates of the tests in directory $1: two authorities, a server, two nodes and a stranger.
set -eu
dir=$1
mkdir -p "$dir"
cd "$dir"

authority() { # name
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
        -subj "/CN=$1" -keyout "$1.key" -out "$1.pem" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" >/dev/null 2>&1
}

leaf() { # name, authority, alternative names
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.csr" >/dev/null 2>&1
    printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$3" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 30 \
        -extfile "$1.ext" -out "$1.pem" >/dev/null 2>&1
}

authority ca
authority other
leaf server ca "DNS:server.test,DNS:localhost,IP:127.0.0.1"
leaf n1 ca "DNS:n1,IP:127.0.0.1"
leaf n2 ca "DNS:n2"
leaf stranger other "DNS:n2"
leaf nameless ca "DNS:elsewhere.test"
touch done
