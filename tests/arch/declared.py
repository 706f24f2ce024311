"""What C++ declares: the names of functions, types, members and constants, each with the scope that it stands in.

Comments and texts say nothing here, nor do names that are only used. It reads the code of this repository, as
clang-format leaves it, and no C++ beyond: scopes are followed by their braces, bodies of functions are passed over."""
import collections
import re

# One alternative a kind of token; what has no group is dropped.
TOKEN = re.compile(r"""
    //[^\n]* | /\*.*?\*/                                     # comments
  | (?:u8|[LuU])?R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"  # texts
  | "(?:\\.|[^"\\\n])*" | (?<![0-9A-Za-z_])'(?:\\.|[^'\\\n])+'
  | ^[ \t]*\#[ \t]*define[ \t]+(?P<macro>\w+)(?:\\\n|[^\n])*
  | ^[ \t]*\#(?:\\\n|[^\n])*
  | \d[\w'.]*
  | (?P<token>[A-Za-z_]\w*|::|->|[^\s\w])
""", re.VERBOSE | re.DOTALL | re.MULTILINE)
WORD = re.compile(r"[A-Za-z_]\w*")
TYPES = ("class", "struct", "union", "enum")
CLOSING = {"(": ")", "[": "]", "{": "}"}
# What stands before a parenthesis, or at the end of a declaration, and is no name.
NO_NAME = frozenset("""alignas alignof asm auto bool char const constexpr consteval constinit decltype default delete double else explicit
    extern final float for friend if inline int long mutable namespace noexcept operator override private protected public requires return
    short signed sizeof static static_assert switch template this throw try typename unsigned using virtual void volatile while""".split())

Declared = collections.namedtuple("Declared", "scope name is_function")  # scope: names from the outside in


class Reader:
    def __init__(self, text):
        self.tokens, self.found = [], set()
        for m in TOKEN.finditer(text):
            if m["macro"]:
                self.found.add(Declared((), m["macro"], False))
            elif m["token"]:
                self.tokens.append(m["token"])
        self.at = 0

    def next(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def step(self):
        self.at += 1

    def skip(self):
        """Past the bracket that closes the one at which we stand."""
        open_ = [CLOSING[self.next()]]
        while open_ and self.at + 1 < len(self.tokens):
            self.step()
            token = self.next()
            if token in CLOSING:
                open_.append(CLOSING[token])
            elif token == open_[-1]:
                open_.pop()
            elif token in (")", "]", "}"):
                raise ValueError(f"{token} where {open_[-1]} was expected")
        if open_:
            raise ValueError(f"no {open_[-1]} at the end")
        self.step()

    def skip_angles(self):
        """Past the arguments of a template; stays where it is no template that begins here."""
        begin, depth = self.at, 0
        while self.next():
            token = self.next()
            if token in (";", "{", "}", ")"):
                break
            if token in ("(", "["):
                self.skip()
                continue
            self.step()
            depth += (token == "<") - (token == ">")
            if depth == 0:
                return
        self.at = begin + 1

    def add(self, scope, words, is_function):
        """`words`: a declaration up to its name. A name may have scopes before it."""
        if not words or not WORD.fullmatch(words[-1]) or words[-1] in NO_NAME:
            return
        end, within = len(words) - 1, []
        while end >= 2 and words[end - 1] == "::":
            within.insert(0, words[end - 2])
            end -= 2
        self.found.add(Declared(scope + tuple(within), words[-1], is_function))

    def body_of_enum(self, scope):
        self.step()
        while self.next() not in ("}", ""):
            self.add(scope, [self.next()], False)
            while self.next() not in (",", "}", ""):
                self.skip() if self.next() in CLOSING else self.step()
            if self.next() == ",":
                self.step()
        self.step()

    def declarations(self, scope=()):
        """Of a namespace or a class, up to the brace that closes it."""
        words, function = [], False  # of the present declaration: what is read of it, and whether it is a function
        while self.next():
            token = self.next()
            kind = next((w for w in words if w in TYPES), None) if not function else None
            if token == "}":
                self.step()
                return
            if token == "(":
                if words and not function and words[-1] not in NO_NAME and WORD.fullmatch(words[-1]):
                    self.add(scope, words, True)
                    function = True
                self.skip()
                words.append("()")
            elif token == "[":
                self.skip()
            elif token == "<":
                self.skip_angles()
            elif token == "operator":
                while self.next() not in ("(", ""):
                    self.step()
                if self.tokens[self.at + 1:self.at + 3] == [")", "("]:
                    self.at += 2
                function = True
            elif token == "{" and not function and "requires" in words:
                self.skip()
            elif token == "{" and not function and "enum" in words:
                name = self.name_of_type(words)
                self.add(scope, ["enum", name], False)
                self.body_of_enum(scope + ((name,) if name else ()))
                words = ["enum"]
            elif token == "{" and not function and (kind or "namespace" in words or words == ["extern"]):
                within = [self.name_of_type(words)] if kind else [w for w in words if WORD.fullmatch(w) and w not in ("namespace", "inline", "extern")]
                if kind:
                    self.add(scope, [kind, *within], False)
                self.step()
                self.declarations(scope + tuple(filter(None, within)))
                words = [kind] if kind else []  # a variable of the type may follow
            elif token == "{":
                if not function:
                    self.add(scope, words, False)
                self.skip()
                words, function = ([], False) if function else (words[:1], False)
            elif token == ":" and words and words[-1] in ("public", "protected", "private"):
                self.step()
                words = []
            elif token == ":" and function:
                self.initialisers()
            elif token == ":" and kind:
                while self.next() not in ("{", ";", ""):
                    self.step()
            elif token in ("=", ";", ",", ":"):
                if not function and "friend" not in words and len(words) > 1:
                    self.add(scope, words, False)
                self.step()
                if token in ("=", ":"):
                    self.value()
                if token == ";" or self.next() == ";":
                    words, function = [], False
                elif not function:
                    words = words[:1]
            else:
                words.append(token)
                self.step()

    def value(self):
        """Past what a name is given: to the ; or to a comma behind which another name is declared."""
        while self.next() not in (";", "}", ""):
            if self.next() == "," and WORD.fullmatch(self.tokens[self.at + 1]) and self.tokens[self.at + 2] in ("=", ";", ",", "{"):
                return
            self.skip() if self.next() in CLOSING else self.step()

    def initialisers(self):
        """Of a constructor, up to its body."""
        while self.next() not in (";", ""):
            self.step()
            while self.next() not in ("(", "{", ";", ""):
                self.skip_angles() if self.next() == "<" else self.step()
            if self.next() == ";":
                return
            self.skip()
            while self.next() == ".":
                self.step()
            if self.next() != ",":
                return

    @staticmethod
    def name_of_type(words):
        """Behind the last word that says what kind of type it is; empty: it has none."""
        at = max(i for i, w in enumerate(words) if w in TYPES)
        behind = [w for w in words[at + 1:] if WORD.fullmatch(w) and w not in NO_NAME]
        return behind[-1] if behind else ""


def declared_in(text):
    """The set of what `text` declares. ValueError: it cannot be read."""
    reader = Reader(text)
    while reader.next():
        reader.declarations()
    return reader.found
