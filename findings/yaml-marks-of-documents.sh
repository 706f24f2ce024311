#!/usr/bin/env bash
# Surprise: three ways of YAML to begin a document that Kubernetes' reader (kubectl's, the controllers') does not have. Content
#   behind the mark ("--- {a: 1}") is an error, and so is a directive at the beginning, "%YAML 1.2" and "%YAML 1.1" alike (for
#   different reasons); and a document that follows "..." without a "---" is not there, with no error at all: the first
#   object is applied, the second is nowhere.
# Source: YAML 1.2.2, sections 6.8.1 (the directive), 9.1.2 (document markers), 9.1.3 (bare documents), 9.2 (streams).
#   k8s.io/apimachinery 0.37.2, util/yaml (it cuts the text at lines of "---" and gives each piece to a reader of one
#   document); sigs.k8s.io/yaml 1.6.0; a kubectl of 1.32 does the same. yaml 2.9.1 (npm), a reader of 1.2, has all of the documents.
# Usual guess: Kubernetes reads YAML streams; what it cannot read it refuses, and 1.2 is the version that it means.
set -euo pipefail
T=$(mktemp -d)
. "$(dirname "$0")/lib/packages.sh"
from_npm yaml@2.9.1
from_go k8s.io/apimachinery@v0.37.2 sigs.k8s.io/yaml@v1.6.0

mkdir -p "$T/go/read"
cat >"$T/go/read/main.go" <<'G'
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/util/yaml"
)

func main() {
	d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(os.Args[1]), 4096)
	fmt.Printf("%q\n  kubernetes", os.Args[1])
	for {
		var document json.RawMessage
		if err := d.Decode(&document); err == io.EOF {
			break
		} else if err != nil {
			fmt.Print(" error: ", err)
			break
		}
		fmt.Print(" ", string(document))
	}
	fmt.Println()
}
G
cat >"$T/read.mjs" <<'J'
import { parseAllDocuments } from "yaml";
const documents = parseAllDocuments(process.argv[2]);
console.log("  yaml", ...documents.map((d) => (d.errors.length ? `error: ${d.errors[0].message}` : JSON.stringify(d.toJS()))));
J
go_build read
for text in $'a: 1\n---\nb: 2\n' $'a: 1\n--- {b: 2}\n' $'%YAML 1.1\n---\na: 1\n' $'%YAML 1.2\n---\na: 1\n' $'a: 1\n...\nb: 2\n' $'a: 1\n...\n---\nb: 2\n'; do
  "$T/go/read.bin" "$text"
  node "$T/read.mjs" "$text"
done >"$T/got"
holds "$T/got" <<'X' || exit 1
"a: 1\n---\nb: 2\n"
  kubernetes {"a":1} {"b":2}
  yaml {"a":1} {"b":2}
"a: 1\n--- {b: 2}\n"
  kubernetes error: invalid Yaml document separator: {b: 2}
  yaml {"a":1} {"b":2}
"%YAML 1.1\n---\na: 1\n"
  kubernetes error: error converting YAML to JSON: yaml: line 1: did not find expected <document start>
  yaml {"a":1}
"%YAML 1.2\n---\na: 1\n"
  kubernetes error: error converting YAML to JSON: yaml: found incompatible YAML document
  yaml {"a":1}
"a: 1\n...\nb: 2\n"
  kubernetes {"a":1}
  yaml {"a":1} {"b":2}
"a: 1\n...\n---\nb: 2\n"
  kubernetes {"a":1} {"b":2}
  yaml {"a":1} {"b":2}
X
