#!/usr/bin/env bash
# Surprise: PyYAML's safe_dump writes the strings 12e3 (a short commit id can look so), 1E3, 08 and y without quotes, as its own
#   reader takes them for strings. The reader of kubectl and helm makes them 12000, 1000, 8 and true, so a label that Python wrote
#   is no string any more. js-yaml quotes all of these; the package yaml quotes none of y, n, yes and 1_000.
# Source: YAML 1.1's float needs a dot in PyYAML 6.0.4 (resolver.py), and y is no boolean there, though YAML 1.1's bool type
#   has it; sigs.k8s.io/yaml 1.6.0 (which Kubernetes reads manifests with) reads 12e3, 08 and 0o14 as YAML 1.2 does and y as 1.1.
#   yaml 2.9.1 writes YAML 1.2 core, js-yaml 5.5.0 guards against readers of 1.1.
# Usual guess: what one YAML library writes as a string is a string for the other; only yes, no, on and off are dangerous.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_pypi pyyaml==6.0.4
from_npm yaml@2.9.1 js-yaml@5.5.0
from_go sigs.k8s.io/yaml@v1.6.0

mkdir -p "$T/go/read"
cat >"$T/go/read/main.go" <<'G'
package main

import (
	"bufio"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

func main() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		json, err := yaml.YAMLToJSON(lines.Bytes())
		if err != nil {
			panic(err)
		}
		fmt.Printf("%-10s is read as %s\n", lines.Text(), json)
	}
}
G
cat >"$T/write.py" <<'P'
import sys, yaml
for s in sys.argv[1:]:
    text = yaml.safe_dump({"v": s})
    assert yaml.safe_load(text) == {"v": s}  # its own reader has the string back
    print(text, end="")
P
cat >"$T/write.mjs" <<'J'
import { dump, load } from "js-yaml";
import { parse, stringify } from "yaml";
import assert from "assert";
const [library, ...strings] = process.argv.slice(2), [write, read] = library === "yaml" ? [stringify, parse] : [dump, load];
for (const v of strings) {
  assert.equal(read(write({ v })).v, v);
  process.stdout.write(write({ v }));
}
J
go_build read
STRINGS=(12e3 1E3 08 y n 1_000 0o14 yes)
{
  echo "PyYAML"; "$T/py/bin/python" "$T/write.py" "${STRINGS[@]}" | "$T/go/read.bin"
  echo "yaml"; node "$T/write.mjs" yaml "${STRINGS[@]}" | "$T/go/read.bin"
  echo "js-yaml"; node "$T/write.mjs" js-yaml "${STRINGS[@]}" | "$T/go/read.bin"
} >"$T/got"
holds "$T/got" <<'X' || exit 1
PyYAML
v: 12e3    is read as {"v":12000}
v: 1E3     is read as {"v":1000}
v: 08      is read as {"v":8}
v: y       is read as {"v":true}
v: n       is read as {"v":false}
v: '1_000' is read as {"v":"1_000"}
v: 0o14    is read as {"v":12}
v: 'yes'   is read as {"v":"yes"}
yaml
v: "12e3"  is read as {"v":"12e3"}
v: "1E3"   is read as {"v":"1E3"}
v: "08"    is read as {"v":"08"}
v: y       is read as {"v":true}
v: n       is read as {"v":false}
v: 1_000   is read as {"v":1000}
v: "0o14"  is read as {"v":"0o14"}
v: yes     is read as {"v":true}
js-yaml
v: '12e3'  is read as {"v":"12e3"}
v: '1E3'   is read as {"v":"1E3"}
v: '08'    is read as {"v":"08"}
v: 'y'     is read as {"v":"y"}
v: 'n'     is read as {"v":"n"}
v: '1_000' is read as {"v":"1_000"}
v: '0o14'  is read as {"v":"0o14"}
v: 'yes'   is read as {"v":"yes"}
X
