r"""Equations of the manual in the characters of a terminal: ``(x − μ)ᵀ C⁻¹ (x − μ)`` for LaTeX."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

__all__ = ["in_characters"]

_MARK = re.compile(r"\\[A-Za-z]+|\\.|\s+|.", re.DOTALL)

#: Bars around a norm, until the spaces within are gone; and the end of the name of a function.
_OPEN, _CLOSE, _NAME = "\x01", "\x02", "\x03"

#: Commands that stand for characters, or for words.
_SYMBOLS = {
    **{rf"\{name}": unicodedata.lookup(f"GREEK SMALL LETTER {name.upper()}") for name in (
        "alpha", "beta", "gamma", "delta", "theta", "kappa", "mu", "nu", "xi", "rho", "sigma", "omega", "psi",
    )},
    r"\lambda": "λ", r"\varepsilon": "ε", r"\varphi": "φ", r"\pi": "π", r"\Gamma": "Γ", r"\Sigma": "Σ",
    r"\sum": "Σ", r"\top": "ᵀ", r"\leftarrow": "←", r"\in": "∈", r"\cdot": "·", r"\ell": "l", r"\times": "×",
    r"\le": "≤", r"\ge": "≥", r"\approx": "≈", r"\infty": "∞", r"\ast": "*",
    r"\lVert": _OPEN, r"\rVert": _CLOSE, r"\dots": "…",
    r"\langle": "⟨", r"\rangle": "⟩", r"\lfloor": "⌊", r"\rfloor": "⌋", r"\{": "{", r"\}": "}",
    r"\,": " ", r"\;": " ", r"\:": " ", r"\!": "", r"\quad": "  ",
    **{rf"\{name}": f"{name}{_NAME}" for name in ("max", "min", "ln", "log", "exp", "sin", "cos", "tanh")},
    # Sizes of brackets, which a terminal has not.
    **dict.fromkeys((r"\left", r"\right", r"\bigl", r"\bigr", r"\Bigl", r"\Bigr"), ""),
}  # fmt: skip

_RAISED = str.maketrans("0123456789+−ᵀabcdefghijklmnoprstuvwxyz", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵀᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ")
_RAISABLE = re.compile(r"[0-9+−ᵀa-pr-z]+")


def in_characters(latex: str) -> list[str]:
    r"""Return the parts of an equation, which ``\qquad`` and line ends separate, without LaTeX.

    Examples
    --------
    >>> in_characters(r"s = (x - \mu)^\top C^{-1} (x - \mu), \qquad \sigma = \frac{1}{n + 1}")
    ['s = (x − μ)ᵀ C⁻¹ (x − μ),', 'σ = 1/(n + 1)']
    """
    latex = re.sub(r"\\sum_\{([^{}]*)\}\^\{?(\w)\}?", r"\\sum_{\1 \\dots \2}", latex)
    parts = re.split(r"\\qquad|\\\\", latex)
    return [_tidy("".join(_pieces(iter(_MARK.findall(part))))) for part in parts]


def _tidy(text: str) -> str:
    text = re.sub(rf"{_OPEN} *| *{_CLOSE}", "‖", unicodedata.normalize("NFC", text))
    text = re.sub(rf"{_NAME} *(?=[(_^⁰-⁹¹²³])", "", text).replace(_NAME, " ")
    text = re.sub(r"(?<=[\w)])Σ", " Σ", text)
    text = re.sub(r"(?<=[(\[{⌊⟨]) +| +(?=[)\]},⌋⟩])", "", text)
    return re.sub(r"\s+", " ", text).strip()


def _pieces(marks: Iterator[str], *, closing: str = "") -> Iterator[str]:
    """Yield the characters of the marks of LaTeX, up to the end of a group."""
    for mark in marks:
        if mark == closing:
            return
        yield _piece(mark, marks)


def _piece(mark: str, marks: Iterator[str]) -> str:
    if mark == "{":
        return "".join(_pieces(marks, closing="}"))
    if mark in {r"\frac", r"\tfrac"}:
        above, below = _argument(marks), _argument(marks)
        return f"{_whole(above)}/{_whole(below)}"
    made = _OF_ARGUMENTS.get(mark)
    if made is not None:
        return made(_argument(marks))
    if mark.startswith("\\") and mark not in _SYMBOLS:
        raise NotImplementedError(f"LaTeX command {mark}")
    return _SYMBOLS.get(mark, "−" if mark == "-" else mark)


def _argument(marks: Iterator[str]) -> str:
    """Return the argument of a command: the next group or character."""
    mark = next(mark for mark in marks if not mark.isspace())
    return _tidy(_piece(mark, marks))


def _whole(text: str) -> str:
    """Return a text that a fraction can hold: in brackets, unless it is one word, one norm or one pair of brackets."""
    alone = re.fullmatch(r"[^\s+−·/()\d][^\s+−·/()]*|\d+|‖[^‖]*‖²?|√?\([^()]*(\([^()]*\)[^()]*)*\)²?", text)
    return text if alone else f"({text})"


def _raised(text: str) -> str:
    if text == "*":
        return text
    return text.translate(_RAISED) if _RAISABLE.fullmatch(text) else f"^{_bracketed(text)}"


def _lowered(text: str) -> str:
    return f"_{_bracketed(text)}"


def _bracketed(text: str) -> str:
    return text if re.fullmatch(r"[^\W_.]+|[.\d]+|[*+]", text) else f"({text})"


#: What a command makes of its argument.
_OF_ARGUMENTS: dict[str, Callable[[str], str]] = {
    "^": _raised,
    "_": _lowered,
    r"\sqrt": lambda text: f"√({text})",
    r"\hat": lambda text: f"{text}\u0302",
    r"\tilde": lambda text: f"{text}\u0303",
    r"\bar": lambda text: f"{text}\u0304",
    r"\overline": lambda text: f"{text}\u0304",
    r"\operatorname": lambda text: f"{text}{_NAME}",
    **dict.fromkeys((r"\mathrm", r"\text"), str),
}
