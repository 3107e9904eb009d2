"""What C and JavaScript call the primitive operations: one table for each language, and nothing else about them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from chainrule.core.operation import kernels

CHOICE, EITHER, BOTH, COMPARISON, SUM, PRODUCT, SIGN, ATOM = range(8)
"""How tightly the operators of both languages bind, loosest first."""


class Text(NamedTuple):
    """A piece of source, and how tightly it binds."""

    text: str
    binds: int = ATOM

    def inside(self, needs: int) -> str:
        """The text, in parentheses where it binds more loosely than its place needs."""
        return self.text if self.binds >= needs else f"({self.text})"


class Language(NamedTuple):
    """A target: its words for operations, and the helpers that some of these need.

    `words` turn the texts of the inputs into that of the result. `helpers` are functions by name, each written out
    where its name is used.
    """

    name: str
    words: dict[str, Callable[..., Text]]
    helpers: dict[str, str]
    reserved: frozenset[str]
    infinity: str
    undefined: str

    def number(self, x: float) -> Text:
        if x != x:  # noqa: PLR0124
            return Text(self.undefined)
        if x in (float("inf"), float("-inf")):
            return Text(self.infinity) if x > 0 else Text(f"-{self.infinity}", SIGN)
        text = repr(float(x)).replace("e+", "e")
        return Text(text, SIGN if text.startswith("-") else ATOM)


def infix(symbol: str, binds: int) -> Callable[..., Text]:
    """Two sides and an operator; the right side of equal strength keeps its parentheses."""
    left = binds + (binds == COMPARISON)
    return lambda x, y: Text(f"{x.inside(left)} {symbol} {y.inside(binds + 1)}", binds)


def call(name: str) -> Callable[..., Text]:
    return lambda *inputs: Text(f"{name}({', '.join([x.text for x in inputs])})")


def negated(x: Text) -> Text:
    return Text(f"-{x.inside(ATOM)}", SIGN)


def choice(condition: Text, x: Text, y: Text) -> Text:
    return Text(f"{condition.inside(EITHER)} ? {x.inside(EITHER)} : {y.inside(CHOICE)}", CHOICE)


def holds(x: Text) -> Text:
    """Whether a number is not 0."""
    return x if x.binds in (COMPARISON, BOTH, EITHER) else Text(f"{x.inside(SUM)} != 0", COMPARISON)


def either(x: Text) -> str:
    """One side of an or; compilers warn of an and in it without parentheses."""
    return holds(x).text if holds(x).binds == EITHER else holds(x).inside(COMPARISON)


def chosen(x: Text, weight: Text) -> Text:
    """A product that a weight of 0 makes 0, whatever x is."""
    if weight.binds == COMPARISON:
        return choice(weight, x, Text("0"))
    return choice(Text(f"{weight.inside(SUM)} == 0", COMPARISON), Text("0"), infix("*", PRODUCT)(x, weight))


def power(name: str) -> Callable[..., Text]:
    """A power; a square or cube of a name is a product."""

    def said(x: Text, y: Text) -> Text:
        if y.text in ("2.0", "3.0") and x.binds == ATOM and "(" not in x.text:
            return Text(" * ".join([x.text] * int(float(y.text))), PRODUCT)
        return call(name)(x, y)

    return said


COMMON: dict[str, Callable[..., Text]] = {
    "add": infix("+", SUM),
    "chosen": chosen,
    "div": infix("/", PRODUCT),
    "equal": infix("==", COMPARISON),
    "float64": lambda x: x,
    "greater": infix(">", COMPARISON),
    "greater_equal": infix(">=", COMPARISON),
    "identity": lambda x: x,
    "less": infix("<", COMPARISON),
    "less_equal": infix("<=", COMPARISON),
    "logaddexp": call("logaddexp"),
    "logical_and": lambda x, y: Text(f"{holds(x).inside(BOTH)} && {holds(y).inside(COMPARISON)}", BOTH),
    "logical_not": lambda x: Text(f"{x.inside(SUM)} == 0", COMPARISON),
    "logical_xor": lambda x, y: Text(f"({holds(x).text}) != ({holds(y).text})", COMPARISON),
    "logical_or": lambda x, y: Text(f"{either(x)} || {either(y)}", EITHER),
    "maximum": call("larger"),
    "minimum": call("smaller"),
    "mul": infix("*", PRODUCT),
    "neg": negated,
    "not_equal": infix("!=", COMPARISON),
    "remainder": call("remainder_of"),
    "sign": call("sign_of"),
    "sub": infix("-", SUM),
    "where": lambda condition, x, y: choice(holds(condition), x, y),
}


def words(text: str) -> list[str]:
    return text.split()


FUNCTIONS = words("""
    acos acosh asin asinh atan atan2 atanh cbrt ceil cos cosh exp expm1 floor hypot log log10 log1p log2 pow sin
    sinh sqrt tan tanh trunc
""")
"""What both languages call as NumPy does, apart from what stands in front."""

OWN = words("i j k l m n s at best sum")
"""Letters of loops and running numbers: what the written lines call so themselves in both languages."""


MATH_H = words("""
    acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh drem erf erfc exp exp10 exp2 expm1 fabs fdim
    finite floor fma fmax fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log log10 log1p log2 logb lrint lround
    modf nan nearbyint nextafter nexttoward pow pow10 remainder remquo rint round scalb scalbln scalbn significand sin
    sincos sinh sqrt tan tanh tgamma trunc
""")
"""What <math.h> declares, in single and extended precision too."""


def series() -> Sequence[float]:
    """The coefficients of erfc's series, as the kernel states them."""
    constants: Sequence[Any] = kernels["erfc"].__code__.co_consts
    return max([x for x in constants if isinstance(x, tuple)], key=len)


C = Language(
    name="C",
    words={
        **COMMON,
        **{name: call(name) for name in [*FUNCTIONS, "erf", "erfc", "exp2", "fmod", "rint"]},
        "abs": call("fabs"),
        "pow": power("pow"),
        "float16": call("half_of"),
        "float32": lambda x: Text(f"(double)(float){x.inside(ATOM)}", SIGN),
        "isfinite": call("isfinite"),
        "isinf": call("isinf"),
        "isnan": call("isnan"),
        "signbit": lambda x: Text(f"signbit({x.text}) != 0", COMPARISON),
    },
    helpers={
        "larger": "static double larger(double x, double y) { return x > y || x != x ? x : y; }",
        "smaller": "static double smaller(double x, double y) { return x < y || x != x ? x : y; }",
        "sign_of": "static double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }",
        "logaddexp": (
            "static double logaddexp(double x, double y) {\n"
            "  return x == y ? x + log(2.0) : x > y ? x + log1p(exp(y - x)) : x <= y ? y + log1p(exp(x - y)) : x + y;\n"
            "}"
        ),
        "half_of": (
            "static double half_of(double x) {\n"
            "  double unit = 1.0 / (1 << 24);\n"
            "  while (fabs(x) >= 2048 * unit && unit < 32) unit *= 2;\n"
            "  const double out = rint(x / unit) * unit;\n"
            "  return fabs(out) < 65536 ? out : out * INFINITY;\n"
            "}"
        ),
        "remainder_of": (
            "static double remainder_of(double x, double y) {\n"
            "  const double rest = fmod(x, y);\n"
            "  return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;\n"
            "}"
        ),
    },
    reserved=frozenset(
        OWN
        + words("""
        auto break case char const continue default do double else enum extern float for goto if inline int long
        register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
        abort abs calloc div exit free gamma index j0 j1 jn labs main malloc memcpy memset printf puts signgam y0 y1 yn
        fpclassify isfinite isgreater isgreaterequal isinf isless islessequal islessgreater isnan isnormal isunordered
        signbit FP_INFINITE FP_NAN FP_NORMAL FP_SUBNORMAL FP_ZERO HUGE_VAL HUGE_VALF HUGE_VALL INFINITY NAN OVERFLOW
        UNDERFLOW DOMAIN SING PLOSS TLOSS EOF NULL M_E M_LOG2E M_LOG10E M_LN2 M_LN10 M_PI M_PI_2 M_PI_4 M_1_PI M_2_PI
        M_2_SQRTPI M_SQRT2 M_SQRT1_2 MAXFLOAT MATH_ERRNO MATH_ERREXCEPT math_errhandling float_t double_t linux unix
        int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t intptr_t uintptr_t intmax_t uintmax_t
        _Alignas _Alignof _Atomic _BitInt _Bool _Complex _Decimal32 _Decimal64 _Decimal128 _Generic _Imaginary
        _Noreturn _Static_assert _Thread_local alignas alignof bool constexpr false nullptr static_assert thread_local
        true typeof typeof_unqual asm and and_eq bitand bitor catch char8_t char16_t char32_t class compl concept
        const_cast consteval constinit co_await co_return co_yield decltype delete dynamic_cast explicit export friend
        mutable namespace new noexcept not not_eq operator or or_eq private protected public reinterpret_cast requires
        static_cast template this throw try typeid typename using virtual wchar_t xor xor_eq __func__ __DATE__ __FILE__
        __LINE__ __STDC__ __TIME__
        """)
        + [name + kind for name in MATH_H for kind in ("", "f", "l")]
    ),
    infinity="INFINITY",
    undefined="NAN",
)

JAVASCRIPT = Language(
    name="JavaScript",
    words={
        **COMMON,
        **{name: call(f"Math.{name}") for name in FUNCTIONS if name != "hypot"},
        "abs": call("Math.abs"),
        "erf": call("erf"),
        "erfc": call("erfc"),
        "exp2": lambda x: Text(f"Math.pow(2, {x.text})"),
        "float16": call("halfOf"),
        "float32": call("Math.fround"),
        "fmod": infix("%", PRODUCT),
        "hypot": call("Math.hypot"),
        "isfinite": call("Number.isFinite"),
        "isinf": lambda x: Text(f"Math.abs({x.text}) === Infinity", COMPARISON),
        "isnan": call("Number.isNaN"),
        "pow": power("Math.pow"),
        "rint": call("rint"),
        "signbit": lambda x: Text(f"1 / {x.inside(ATOM)} < 0 || {x.inside(SUM)} < 0", EITHER),
    },
    helpers={
        "larger": "function larger(x, y) { return x > y || x !== x ? x : y; }",
        "smaller": "function smaller(x, y) { return x < y || x !== x ? x : y; }",
        "sign_of": "function sign_of(x) { return x > 0 ? 1 : x < 0 ? -1 : x; }",
        "logaddexp": (
            "function logaddexp(x, y) {\n"
            "  if (x === y) return x + Math.LN2;\n"
            "  return x > y ? x + Math.log1p(Math.exp(y - x)) : x < y ? y + Math.log1p(Math.exp(x - y)) : x + y;\n"
            "}"
        ),
        "halfOf": (
            "function halfOf(x) {\n"
            "  let unit = 1 / (1 << 24);\n"
            "  while (Math.abs(x) >= 2048 * unit && unit < 32) unit *= 2;\n"
            "  const out = rint(x / unit) * unit;\n"
            "  return Math.abs(out) < 65536 ? out : out * Infinity;\n"
            "}"
        ),
        "remainder_of": (
            "function remainder_of(x, y) {\n"
            "  const rest = x % y;\n"
            "  return rest !== 0 && rest < 0 !== y < 0 ? rest + y : rest;\n"
            "}"
        ),
        "rint": (
            "function rint(x) {\n"
            "  const below = Math.floor(x), rest = x - below;\n"
            "  if (rest === 0.5) return below % 2 === 0 ? below : below + 1;\n"
            "  return rest < 0.5 ? below : rest > 0.5 ? below + 1 : x;\n"
            "}"
        ),
        "erfc": (
            "// The series of Shepherd and Laframboise, Math. Comp. 36 (1981).\n"
            f"const ERFC = [{', '.join(map(repr, series()))}];\n"
            "function erfc(x) {\n"
            "  const z = Math.min(Math.abs(x), 28), t = (z - 3.75) / (z + 3.75);\n"
            "  let later = 0, sum = 0;\n"
            "  for (let k = ERFC.length - 1; k > 0; k--) [later, sum] = [sum, 2 * t * sum - later + ERFC[k]];\n"
            "  const high = Math.round(z * 16) / 16;\n"
            "  const tail = Math.exp(-high * high) * Math.exp((high - z) * (high + z));\n"
            "  const out = z === 0 ? 1 : (tail * (t * sum - later + ERFC[0])) / (1 + 2 * z);\n"
            "  return x < 0 ? 2 - out : out;\n"
            "}"
        ),
        "erf": (
            "function erf(x) {\n"
            "  if (!(Math.abs(x) < 0.5)) return 1 - erfc(x);\n"
            "  let term = 1, sum = 1;\n"
            "  for (let n = 1; n < 14; n++) {\n"
            "    term *= (-x * x) / n;\n"
            "    sum += term / (2 * n + 1);\n"
            "  }\n"
            "  return (2 / Math.sqrt(Math.PI)) * x * sum;\n"
            "}"
        ),
    },
    reserved=frozenset(
        OWN
        + words("""
        arguments await break case catch class const continue debugger default delete do else enum eval export
        extends false finally for function if implements import in instanceof interface let new null package private
        protected public return static super switch this throw true try typeof undefined var void while with yield
        Math Number Float32Array Float64Array Array ArrayBuffer RangeError ERFC flat shapes values forward backward
        module exports require NaN Infinity undefined
        """)
    ),
    infinity="Infinity",
    undefined="NaN",
)


def helpers_in(language: Language, text: str) -> list[str]:
    """The helpers that a text calls, and those that these call, each after what it needs."""
    found: list[str] = []
    for name, body in language.helpers.items():
        if re.search(rf"\b{name}\(", text) and body not in found:
            found += [part for part in helpers_in(language, body.partition("{")[2]) if part not in found]
            found.append(body)
    return found
