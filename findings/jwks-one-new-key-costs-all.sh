#!/usr/bin/env bash
# Surprise: an issuer that publishes a key of a type that is new (AKP, for ML-DSA) beside the RSA key that it goes on to sign with takes all keys from
#   programs that read the set by go-jose, jwx 3 or Authlib: the set is an error as a whole, and tokens that verified yesterday are
#   refused, though nothing about them has changed. With the first two a key of EC on secp256k1 is enough. go-oidc, PyJWT, joserfc and jose
#   (Node) pass over the key, go-oidc though it reads each of them by go-jose.
# Source: RFC 7517 section 5 (implementations SHOULD ignore keys of a set whose "kty" they do not understand, or whose values they do not
#   support), RFC 9964 (kty AKP), RFC 8812 section 3.1 (secp256k1). github.com/go-jose/go-jose 4.1.9, github.com/lestrrat-go/jwx 3.4.0,
#   github.com/coreos/go-oidc 3.21.0; Authlib 1.9.10 (authlib.jose), PyJWT 2.15.1, joserfc 1.8.0; jose 6.2.18.
# Usual guess: a key is found by the token's kid, and the others in the set do not matter.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi authlib==1.9.10 pyjwt==2.15.1 joserfc==1.8.0 cryptography==50.0.2
from_npm jose@6.2.18
from_go github.com/go-jose/go-jose/v4@v4.1.9 github.com/lestrrat-go/jwx/v3@v3.4.0 github.com/coreos/go-oidc/v3@v3.21.0

cat >"$T/make.py" <<'P'
# A token, and the set of the issuer's keys alone and with another one.
import json, jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
claims = {"iss": "https://issuer.example", "aud": "pod", "sub": "anna", "iat": 1700000000, "exp": 4000000000}
open("token", "w").write(jwt.encode(claims, key, "RS256", {"kid": "1"}))
one = dict(json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())), kid="1", alg="RS256", use="sig")
new = {"kty": "AKP", "kid": "2", "alg": "ML-DSA-44", "use": "sig", "pub": "A" * 1750}  # 1312 bytes
curve = dict(json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256K1()).public_key())), kid="2", alg="ES256K", use="sig")
for name, keys in (("alone", [one]), ("AKP", [one, new]), ("secp256k1", [one, curve])): json.dump({"keys": keys}, open(name, "w"))
P
cat >"$T/verify.py" <<'P'
import json, sys
import jwt, joserfc.jwk, joserfc.jwt
from authlib.jose import JsonWebKey, JsonWebToken
token, text = open("token").read(), open(sys.argv[1]).read()
def of_authlib(): return JsonWebToken(["RS256"]).decode(token, JsonWebKey.import_key_set(json.loads(text)))["sub"]
def of_pyjwt(): return jwt.decode(token, jwt.PyJWKSet.from_json(text)["1"], algorithms=["RS256"], audience="pod")["sub"]
def of_joserfc(): return joserfc.jwt.decode(token, joserfc.jwk.KeySet.import_key_set(json.loads(text)), algorithms=["RS256"]).claims["sub"]
for f in (of_authlib, of_pyjwt, of_joserfc):
    try: print(" ", f.__name__[3:] + ":", f())
    except Exception as e: print(" ", f.__name__[3:] + ":", repr(e))
P
cat >"$T/verify.mjs" <<'J'
import { readFileSync } from "node:fs";
import { createLocalJWKSet, jwtVerify } from "jose";
const keys = createLocalJWKSet(JSON.parse(readFileSync(process.argv[2])));
console.log("  jose:", await jwtVerify(readFileSync("token"), keys).then((r) => r.payload.sub, String));
J
mkdir -p "$T/go/verify"
cat >"$T/go/verify/main.go" <<'G'
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	jwk3 "github.com/lestrrat-go/jwx/v3/jwk"
	jwt3 "github.com/lestrrat-go/jwx/v3/jwt"
)

var token, keys []byte

func goJose() error {
	t, err := jwt.ParseSigned(string(token), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return err
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(keys, &set); err != nil {
		return err
	}
	return t.Claims(set.Key("1")[0], &jwt.Claims{})
}

func jwx3() error {
	set, err := jwk3.Parse(keys)
	if err == nil {
		_, err = jwt3.Parse(token, jwt3.WithKeySet(set))
	}
	return err
}

func goOidc() error {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(keys) }))
	defer s.Close()
	x := context.Background()
	_, err := oidc.NewVerifier("https://issuer.example", oidc.NewRemoteKeySet(x, s.URL), &oidc.Config{ClientID: "pod"}).Verify(x, string(token))
	return err
}

func main() {
	token, _ = os.ReadFile("token")
	keys, _ = os.ReadFile(os.Args[1])
	for _, v := range []struct {
		name   string
		verify func() error
	}{{"go-jose", goJose}, {"jwx 3", jwx3}, {"go-oidc", goOidc}} {
		if err := v.verify(); err != nil {
			fmt.Printf("  %s: %.90s\n", v.name, err)
		} else {
			fmt.Printf("  %s: anna\n", v.name)
		}
	}
}
G
go_build verify
cd "$T"
py/bin/python make.py
for set in alone AKP secp256k1; do
  echo "$set"
  go/verify.bin "$set"
  py/bin/python -W ignore verify.py "$set" 2>>log
  node verify.mjs "$set"
done >got
holds got <<'X' || { tail -3 log; exit 1; }
alone
  go-jose: anna
  jwx 3: anna
  go-oidc: anna
  authlib: anna
  pyjwt: anna
  joserfc: anna
  jose: anna
AKP
  go-jose: go-jose/go-jose: unsupported key type, format, curve, or RSA modulus size
  jwx 3: jwk.Parse: failed to unmarshal JWK set: failed to decode key #1 in "keys": jwk.ParseKey: i
  go-oidc: anna
  authlib: KeyError('AKP')
  pyjwt: anna
  joserfc: anna
  jose: anna
secp256k1
  go-jose: go-jose/go-jose: unsupported key type, format, curve, or RSA modulus size
  jwx 3: jwk.Parse: failed to unmarshal JWK set: failed to decode key #1 in "keys": jwk.ParseKey: f
  go-oidc: anna
  authlib: anna
  pyjwt: anna
  joserfc: anna
  jose: anna
X
