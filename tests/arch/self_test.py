#!/usr/bin/env python3
"""The arch check must pass a good tree and fail on each kind of breach; a check that cannot fail is none."""
import os
import subprocess
import sys
import tempfile

import check

HERE = os.path.dirname(os.path.abspath(__file__))
GOOD = {
    "src/base/a.h": "#pragma once\n#include <string>\n",
    "src/model/a.h": '#include "base/a.h"\n#include "model/b.h"\n',
    "src/data/proxy/a.cpp": '#include "net/http/a.h"\n#include "model/a.h"\n#include "sluice/record.h"\n',
    "src/data/routing/a.h": "#include <string>\n",
    "src/data/exchange/a.h": '#include "data/exchange/b.h"\n#include "data/routing/a.h"\n',
    "src/data/balance/policies/a.cpp": '#include "data/balance/a.h"\n',
    "src/data/filter/a.cpp": '#include "data/plan/a.h"\n#include "data/proxy/a.h"\n#include "model/a.h"\n',
    "src/data/server/a.cpp": '#include "data/proxy/a.h"\n#include "data/runtime/a.h"\n',
    "src/ops/recorder.h": '#include "ops/metrics/a.h"\n',
    "src/ops/admin/a.cpp": '#include "ops/metrics/a.h"\n',
    "src/app/a.cpp": '#include "control/a.h"\n#include "data/a.h"\n#include "ops/a.h"\n#include <boost/json.hpp>\n#include <net/if.h>\n',
    "src/control/a.cpp": "#include <net/if.h>\n",
    "src/control/kube/ingress/a.cpp": '#include "control/kube/ingress/b.h"\n#include "control/kube/clusters.h"\n',
    "src/control/kube/annotations/a.cpp": '#include "control/kube/ingress/b.h"\n',
    "src/control/kube/store.cpp": '#include "control/kube/ingress/b.h"\n#include "control/kube/streams/b.h"\n',
    "include/sluice/record.h": "#include <cstdint>\n",
    "docs/a.md": "Put it into /etc/sluice/ or {dir}/wo" "rk/x.\n",
}
BAD = {
    "model includes net": ("src/model/a.h", '#include "net/http/message.h"\n'),
    "model includes control": ("src/model/a.h", '#include "control/control.h"\n'),
    "data includes control": ("src/data/proxy/deep/down/a.h", '#include "control/control.h"\n'),
    "control includes data": ("src/control/a.cpp", '#include "data/snapshot/snapshot.h"\n'),
    "control includes net": ("src/control/a.cpp", '#  include <net/tls/tls.h>\n'),
    "net includes model": ("src/net/h1/a.cpp", '#include "model/model.h"\n'),
    "net includes data": ("src/net/h1/a.cpp", '#include "data/snapshot/snapshot.h"\n'),
    "base includes anybody": ("src/base/a.cpp", '#include "model/model.h"\n'),
    "ops includes model": ("src/ops/a.cpp", '#include "model/model.h"\n'),
    "data includes app": ("src/data/server/a.cpp", '#include "app/options.h"\n'),
    "echo includes data": ("src/echo/a.cpp", '#include "data/proxy/serve.h"\n'),
    "public header includes inside": ("include/sluice/a.h", '#include "data/proxy/serve.h"\n'),
    "relative include": ("src/data/proxy/a.cpp", '#include "../control/control.h"\n'),
    "proxy includes server": ("src/data/proxy/a.cpp", '#include "data/server/worker.h"\n'),
    "upstream includes server": ("src/data/upstream/a.cpp", '#include "data/server/worker.h"\n'),
    "runtime includes server": ("src/data/runtime/a.h", '#include "data/server/worker.h"\n'),
    "filter includes server": ("src/data/filter/a.cpp", '#include "data/server/worker.h"\n'),
    "proxy includes filter": ("src/data/proxy/a.cpp", '#include "data/filter/order.h"\n'),
    "plan includes filter": ("src/data/plan/a.cpp", '#include "data/filter/order.h"\n'),
    "upstream includes proxy": ("src/data/upstream/a.cpp", '#include "data/proxy/serve.h"\n'),
    "runtime includes upstream": ("src/data/runtime/a.cpp", '#include "data/upstream/dial.h"\n'),
    "exchange includes runtime": ("src/data/exchange/a.h", '#include "data/runtime/worker_context.h"\n'),
    "server includes compiler": ("src/data/server/a.cpp", '#include "data/compiler/compiler.h"\n'),
    "a policy includes routing": ("src/data/balance/policies/a.cpp", '#include "data/routing/hash.h"\n'),
    "metrics include the admin address": ("src/ops/metrics/a.cpp", '#include "ops/admin/admin.h"\n'),
    "metrics include what knows all of ops": ("src/ops/metrics/a.cpp", '#include "ops/recorder.h"\n'),
    "a folder that is not in the table": ("src/data/misc/a.cpp", "int x;\n"),
    "a file in no folder": ("src/data/a.cpp", "int x;\n"),
    "what lies in no folder": ("src/data/exchange/a.h", '#include "data/a.h"\n'),
    "unknown module": ("src/misc/a.cpp", "int x;\n"),
    "a translator includes another": ("src/control/kube/streams/a.cpp", '#include "control/kube/ingress/translator.h"\n'),
    "annotations include another translator": ("src/control/kube/annotations/a.h", '#include "control/kube/streams/translator.h"\n'),
    "a builder includes a translator": ("src/control/kube/clusters.cpp", '#include "control/kube/ingress/translator.h"\n'),
    "a source includes a translator": ("src/control/source/a.cpp", '#include "control/kube/streams/translator.h"\n'),
    "open work": ("src/base/a.cpp", "// TO" "DO later\n"),
    "machine path": ("docs/a.md", "see /wo" "rk/main/x\n"),
}

STANDARDS = ("RFC 9110, section 7", "RFC 9110, the rest", "RFC 9112", "RFC 9113", "RFC 7301")
ROW = "| 1 | a rule | data/proxy/a.cpp | `a_test.cpp::A.B`, `test_a.py::test_b` |"
PAGE = "docs/conformance.md"
CONFORMING = {
    "tests/unit/a_test.cpp": "TEST_P(A, B) {\n}\n",
    "tests/integration/test_a.py": "def test_b(site):\n    pass\n",
}
BAD_ROWS = {
    "a test that does not exist": "| 1 | a rule | data/proxy/a.cpp | `test_a.py::test_c` |",
    "a test of another suite": "| 1 | a rule | data/proxy/a.cpp | `a_test.cpp::C.B` |",
    "a file of tests that does not exist": "| 1 | a rule | data/proxy/a.cpp | `test_c.py::test_b` |",
    "code that does not exist": "| 1 | a rule | data/b.cpp | `test_a.py::test_b` |",
    "no code": "| 1 | a rule | | `test_a.py::test_b` |",
    "no test": "| 1 | a rule | data/proxy/a.cpp | |",
    "words for a test": "| 1 | a rule | data/proxy/a.cpp | it is obvious |",
    "not met without a reason": "| 1 | a rule | data/proxy/a.cpp | not met: why |",
    "not met beside a test that does not exist": "| 1 | a rule | | not met: because it would open the way for others (`test_a.py::test_c`) |",
    "a cell too few": "| a rule | data/proxy/a.cpp | `test_a.py::test_b` |",
}

TIMEOUTS = "docs/timeouts.md"
TIMES = "| time | test |\n|---|---|\n| `keep-alive` | `a_test.cpp::A.B`, `test_a.py::test_b` |\n"
BAD_TIMES = {
    "a time without a test": TIMES + "| `header` | it is obvious |\n",
    "a time whose test does not exist": TIMES + "| `header` | `test_a.py::test_c` |\n",
}

STORY = "docs/life-of-a-request.md"


def renamed(declaration, code):
    """With another name in the one place where it is declared."""
    assert code.count(declaration) == 1, declaration
    return code.replace(declaration, "another_" + declaration)


TELLS = ("**Exchange** and its `Exchange::head` are in data/proxy/a.cpp, for the **proxy**; `data::serve()` has `kMost` steps: serve() calls "
         "prepare(), `Exchange::edit()` and more.\n")
# All that it names stands in a comment and a text as well, and is used.
TOLD = """// serve() calls prepare(), an Exchange has a head and edit(); kMost
#include "serve.h"
namespace sluice::data {
namespace {
constexpr int kMost = 1'000;  // of serve()
const char* const kSays = "serve prepare edit attempts finish Exchange kMost head";
const char* const kMore = R"x(serve() " prepare)x";
}
/* serve(), prepare() */
Result<std::vector<int>> prepare(const Exchange& ex, int most = kMost) { return ex.edit(prepare(most)); }
struct Head {};
class Exchange final : public Base<Head> {
 public:
  explicit Exchange(int n) : head{n}, more_(n) { serve(*this); }
  bool operator()(int) const { return edit(head); }
  int edit(int of) const;
 private:
  Head head, other;
};
class Other { int finish(), head; };
void serve(Exchange& ex) { ex.edit(prepare(ex, kMost)); }
}
namespace sluice::ops { void serve(); }
"""
# What it says of each: the page, the code, and a word of what is said.
BAD_TALES = {
    "a file that is gone": (TELLS + "See data/b.cpp.\n", TOLD, "data/b.cpp"),
    "a function that is gone": (TELLS + "relay() is next.\n", TOLD, "relay()"),
    "a type that is gone": (TELLS + "A `Lease` is next.\n", TOLD, "Lease"),
    "a folder that is gone": (TELLS + "Then **deliver** is next.\n", TOLD, "deliver"),
    "a name that only a text has": (TELLS + "attempts() is next.\n", TOLD, "attempts()"),
    "a function that is another class's": (TELLS + "`Exchange::finish()` is next.\n", TOLD, "Exchange::finish()"),
    "a member that is another class's": (TELLS + "`Head::head` is next.\n", TOLD, "Head::head"),
    "a function of two without the word which": (TELLS.replace("data::serve()", "Exchange"), TOLD, "several have one"),
    "a function that is written as no function": (TELLS + "`prepare` is next.\n", TOLD, "write prepare()"),
    "a renamed function that stands in comments and texts": (TELLS, renamed("prepare(const", TOLD), "prepare(): no function"),
    "a renamed function that others have, too": (TELLS, renamed("serve(Exchange", TOLD), "data::serve(): no function"),
    "a renamed function of a class": (TELLS, renamed("edit(int of", TOLD), "Exchange::edit(): no function"),
    "a renamed member that others have, too": (TELLS, renamed("head, other", TOLD), "Exchange::head: nothing"),
    "a renamed constant": (TELLS, renamed("kMost =", TOLD), "kMost: nothing"),
    "a renamed class": (TELLS, renamed("Exchange final", TOLD), "Exchange::edit(): no function"),
    "code that cannot be read": (TELLS, TOLD + "void f() {\n", "cannot read src/data/proxy/a.cpp"),
    "no code at all": ("It works.\n", TOLD, "it names no code"),
}


def page(first_row, standards=STANDARDS):
    """Its first row is on line 2."""
    rows = [first_row] + [ROW, "| 2 | another | | not met: because nobody has asked for it yet |"] * len(standards)
    return "\n".join(f"## {s}\n{rows[i]}" for i, s in enumerate(standards)) + "\n"


def outcome(tree):
    with tempfile.TemporaryDirectory() as root:
        for path, text in tree.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w") as f:
                f.write(text)
        return subprocess.run([sys.executable, os.path.join(HERE, "check.py"), root], capture_output=True, text=True)


def main():
    wrong = []
    good = outcome(GOOD)
    if good.returncode != 0:
        wrong.append("the good tree is refused:\n" + good.stdout)
    for name, (path, text) in BAD.items():
        r = outcome({**GOOD, path: text})
        if r.returncode == 0 or path + ":1" not in r.stdout:
            wrong.append(f"not seen: {name}\n{r.stdout}")
    if (r := outcome({**GOOD, **CONFORMING, PAGE: page(ROW)})).returncode != 0:
        wrong.append("a good table is refused:\n" + r.stdout)
    for name, row in BAD_ROWS.items():
        r = outcome({**GOOD, **CONFORMING, PAGE: page(row)})
        if r.returncode == 0 or PAGE + ":2:" not in r.stdout or r.stdout.count(PAGE) != 1:
            wrong.append(f"not seen: {name}\n{r.stdout}")
    for name, standards in (("a standard without a row", STANDARDS[1:]), ("a heading of no standard", STANDARDS + ("RFC 1149",))):
        if outcome({**GOOD, **CONFORMING, PAGE: page(ROW, standards)}).returncode == 0:
            wrong.append(f"not seen: {name}")
    if (r := outcome({**GOOD, **CONFORMING, TIMEOUTS: TIMES})).returncode != 0:
        wrong.append("a good table of times is refused:\n" + r.stdout)
    for name, text in BAD_TIMES.items():
        r = outcome({**GOOD, **CONFORMING, TIMEOUTS: text})
        if r.returncode == 0 or TIMEOUTS + ":4:" not in r.stdout or r.stdout.count(TIMEOUTS) != 1:
            wrong.append(f"not seen: {name}\n{r.stdout}")
    told = {path: text for path, text in GOOD.items() if not path.startswith("src/data/proxy")}
    if (r := outcome({**told, "src/data/proxy/a.cpp": TOLD, STORY: TELLS})).returncode != 0:
        wrong.append("a good story is refused:\n" + r.stdout)
    for name, (text, code, word) in BAD_TALES.items():
        if (r := outcome({**told, "src/data/proxy/a.cpp": code, STORY: text})).returncode == 0 or word not in r.stdout:
            wrong.append(f"not seen: {name}\n{r.stdout}")
    floors = "".join(f"| 1 | **{folder}** | {', '.join(sorted(may)) or 'none of them'} |\n" for folder, may in check.FLOORS["data"].items())
    architecture = {**GOOD, "docs/architecture.md": "src/base/a.h\n" + floors}
    if (r := outcome({**architecture, "src/base/a.h": "int " + ", ".join(check.FLOORS["data"]) + ";\n"})).returncode != 0:
        wrong.append("a page with the floors is refused:\n" + r.stdout)
    for name, page_of in (("a row that says less", floors.replace("coding, exchange", "exchange", 1)), ("a row too few", floors.split("\n", 1)[1])):
        if outcome({**architecture, "docs/architecture.md": "src/base/a.h\n" + page_of}).returncode == 0:
            wrong.append(f"not seen: {name}")
    if not list(check.check_table({"data": {"proxy": {"filter"}, "filter": {"proxy"}}})):
        wrong.append("not seen: two floors that may include each other")
    print("\n".join(wrong) or f"a good tree passes, {len(BAD) + len(BAD_ROWS) + len(BAD_TIMES) + len(BAD_TALES) + 5} kinds of breach are seen")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
