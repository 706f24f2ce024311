#!/bin/sh
# compare.sh [options] OLD NEW: asks two ingress controllers the same and says where their answers differ.
#
# Asked is each host of each Ingress that kubectl shows, and of server-alias, at its paths and at /, by http and by https; nothing is written anywhere.
# Compared are the status, the Location, and whether the certificate is one that curl trusts. A difference is asked for a second time before it is told.
# Certificates that no authority signed do not end a request; bodies are not compared.
#
# OLD, NEW   the addresses of the two, such as those of their Services: ADDRESS or ADDRESS:HTTP:HTTPS (ports, 80 and 443 unless said); IPv6 in []
# -n NS      the Ingresses of one namespace
# -c CLASS   of one class, repeatable; - is those that name none
# -u FILE    further URLs, one a line
# -H NAME    this header of the answers too, repeatable
# -a HEADER  is sent with each request, 'Name: value', repeatable
# -t SECONDS for an answer, 10 unless said
#
# Exit: 0 all alike, 1 there are differences, 2 nothing could be compared. KUBECTL and CURL name other programs. Needs a POSIX shell, curl 7.49 or newer, kubectl.
set -u
LC_ALL=C
export LC_ALL
kubectl=${KUBECTL:-kubectl} curl=${CURL:-curl}
seconds=10 namespace=-A classes='' urls='' headers=''
here=$(mktemp -d) || exit 2
trap 'rm -rf "$here"' EXIT
trap 'exit 2' HUP INT TERM

fail() {
  echo "compare.sh: $*" >&2
  exit 2
}

: >"$here/send"
while getopts n:c:u:H:a:t: option; do
  case $option in
    n) namespace="-n $OPTARG" ;;
    c) classes="$classes $OPTARG" ;;
    u) urls=$OPTARG ;;
    H) headers="$headers $OPTARG" ;;
    a) printf '%s\n' "$OPTARG" >>"$here/send" ;;
    t) seconds=$OPTARG ;;
    *) fail "expected: compare.sh [-n NS] [-c CLASS] [-u FILE] [-H NAME] [-a HEADER] [-t SECONDS] OLD NEW" ;;
  esac
done
shift $((OPTIND - 1))
[ $# -eq 2 ] || fail "expected two addresses, OLD and NEW"

# ADDRESS:HTTP:HTTPS of what was written.
place() {
  case $1 in
    \[*\]) echo "$1:80:443" ;;
    \[*\]:*:* | *:*:*) echo "$1" ;;
    *:*) fail "$1: expected ADDRESS or ADDRESS:HTTP:HTTPS" ;;
    *) echo "$1:80:443" ;;
  esac
}
old=$(place "$1") && new=$(place "$2") || exit 2

# A line for each path: class, host, path, with tabs between them.
template='{{range .items}}{{$class := or .spec.ingressClassName "-"}}{{$alias := ""}}{{if .metadata.annotations}}
{{- $class = or .spec.ingressClassName (index .metadata.annotations "kubernetes.io/ingress.class") "-"}}
{{- $alias = or (index .metadata.annotations "nginx.ingress.kubernetes.io/server-alias") ""}}{{end}}
{{- if $alias}}{{$class}}{{"\t"}}alias{{"\t"}}{{$alias}}{{"\n"}}{{end}}
{{- range .spec.rules}}{{$host := or .host "-"}}{{$class}}{{"\t"}}{{$host}}{{"\t"}}/{{"\n"}}
{{- if .http}}{{range .http.paths}}{{$class}}{{"\t"}}{{$host}}{{"\t"}}{{or .path "/"}}{{"\n"}}{{end}}{{end}}
{{- end}}{{end}}'
# shellcheck disable=SC2086 # -n NS is two words
$kubectl get ingress $namespace -o go-template="$template" >"$here/paths" || fail "kubectl shows no Ingresses"

# Of a regular expression what stands in front of its first sign is asked; of *.example.com a name below it, of no host one that nobody has.
awk -F '\t' -v classes="$classes" '
  function literal(path) {
    sub(/^\^/, "", path)
    if (match(path, /\.[*+?{]|[][(){}*+?|$\\^]/)) path = substr(path, 1, RSTART - 1)
    return substr(path, 1, 1) == "/" ? path : "/" path
  }
  function ask(host, path) {
    if (host == "-") host = "compare.invalid"
    sub(/^\*\./, "compare.", host)
    gsub(/ /, "%20", path)
    print "http://" host path
    print "https://" host path
  }
  BEGIN { some = split(classes, list, " "); for (i in list) wanted[list[i]] }
  NF < 3 || some && !($1 in wanted) { next }
  $2 == "alias" { n = split($3, names, /[, ]+/); for (i = 1; i <= n; i++) if (names[i] ~ /^[*A-Za-z0-9][A-Za-z0-9.-]*$/) ask(names[i], "/"); next }
  { ask($2, literal($3)) }' "$here/paths" >"$here/urls"
if [ -n "$urls" ]; then
  grep -v -e '^[[:space:]]*$' -e '^#' "$urls" >>"$here/urls" || fail "$urls: expected URLs, one a line"
fi
sort -u -o "$here/urls" "$here/urls"
[ -s "$here/urls" ] || fail "there is nothing to ask: no Ingress names a host"

# ask PLACE URL: the answer on one line; "no answer" when there is none.
ask() {
  http=${1%:*}
  case $2 in https:*) port=${1##*:} ;; *) port=${http##*:} ;; esac
  set -- "${http%:*}" "$port" "$2"
  to="::$1:$2"
  url=$3
  set --
  while IFS= read -r line; do set -- "$@" -H "$line"; done <"$here/send"
  # -g: a path may hold what curl takes for a pattern. A stream has no end: its head is there when the time is over.
  verified=$($curl -q -s -k -g --path-as-is -m "$seconds" --connect-to "$to" -o /dev/null -D "$here/head" -w '%{ssl_verify_result}' "$@" "$url" 2>"$here/error")
  code=$?
  awk -v headers="location $headers" -v url="$url" -v verified="$verified" -v code="$code" '
    { sub(/\r$/, "") }
    /^HTTP\// { status = $2; delete value; next }
    { at = index($0, ":"); name = tolower(substr($0, 1, at - 1)); text = substr($0, at + 1); sub(/^ +/, "", text); if (name in value) text = value[name] ", " text; value[name] = text }
    END {
      if (!status) { print "no answer (curl " code ")"; exit }
      line = status
      n = split(tolower(headers), list, " ")
      for (i = 1; i <= n; i++) if (list[i] in value) line = line " " (list[i] == "location" ? "-> " : list[i] ": ") value[list[i]]
      if (url ~ /^https:/ && verified != "0") line = line " (certificate not trusted)"
      print line
    }' "$here/head" 2>/dev/null
  : >"$here/head"
}

: >"$here/head"
asked=0 differ=0 silent=0
while IFS= read -r url; do
  asked=$((asked + 1))
  for turn in 1 2; do
    was=$(ask "$old" "$url")
    is=$(ask "$new" "$url")
    case $was$is in *'no answer'*) ;; *) [ "$was" = "$is" ] && break ;; esac
  done
  case $was$is in
    *'no answer'*) silent=$((silent + 1)) ;;
    *)
      [ "$was" = "$is" ] && continue
      differ=$((differ + 1))
      ;;
  esac
  printf '%s\n    old  %s\n    new  %s\n' "$url" "$was" "$is"
done <"$here/urls"
echo "$asked URLs: $((asked - differ - silent)) alike, $differ differ, $silent without an answer"
[ "$silent" -lt "$asked" ] || exit 2
[ $((differ + silent)) -eq 0 ]
