"""Numbers that are written as text: `317.3988`, `23,5`, `1.234,5`, `5.1 bar`.

One rule, so that a text means one number or none:

- A point or a comma that stands once is the decimal sign: `1,234` is a little more than one.
- Where both stand, the last kind must stand once and is the decimal sign; the other kind must part the digits before
  it into groups of three: `1.234.567,8` and `1,234,567.8`.
- Anything else with a point or comma is no number: `1.2.3`, `1,234,567`, `5.`.

A unit may stand behind, after a blank or none: symbols of `UNITS`, with or without a prefix of the SI, joined by `/`
or a dot: `kWh`, `m3/h`, `mm/s²`. Any other text behind a number makes it none: `3 errors`, `0x1F`, `12:30`.
"""

import re

MAX_TEXT = 64  # characters

# Units of the SI and those used beside them (BIPM, The International System of Units, 9th edition, tables 2 to 8),
# and those that gauges of air, water and power show. `m`, `s` and their like may carry an exponent.
UNITS = """
    A Ah Bq C F Gy H Hz J K L N Nl Nm Ohm Pa S Sv U V VA VAh W Wh atm bar cd cps dB dBA dBm deg degC degF g gal inHg
    kat l lb lbs lm lx mmHg mol oz pH pcs ppb ppm psi rad rpm t var varh % ‰ ° °C °F ℃ ℉ \u03a9 \u2126 1
"""
POWERS = "m s h min cm mm km in ft Nm"

_SYMBOLS = "|".join(re.escape(unit) for unit in sorted(UNITS.split(), key=len, reverse=True))
_POWERS = "|".join(POWERS.split())
_FACTOR = rf"(?:(?:{_POWERS})(?:[²³]|\^?-?[1-4])?|(?:da|[munpµμkMGTcdh])?(?:{_SYMBOLS}|m|s))"
_UNIT = re.compile(rf"{_FACTOR}(?:[/·*]{_FACTOR}){{0,3}}")
_NUMBER = re.compile(r"([+-]?)([0-9][0-9.,]*|[.,][0-9]+)((?:[eE][+-]?[0-9]{1,3})?)([ \u00a0\u202f]*)(.*)", re.DOTALL)


def number_of(text: str) -> float | None:
    """The number that a text says, infinite where a double cannot hold it; None where it says none.

    >>> number_of("23,5"), number_of("5.1 bar"), number_of("1.234,5"), number_of("1.2.3")
    (23.5, 5.1, 1234.5, None)
    """
    if len(text) > MAX_TEXT:
        return None
    found = _NUMBER.fullmatch(text.strip().replace("\u2212", "-", 1))  # the minus sign of typesetting
    if found is None:
        return None
    sign, digits, exponent, blank, unit = found.groups()
    if unit:
        if _UNIT.fullmatch(unit) is None:
            return None
        if not blank and digits[0] == "0" and digits[1:2].isdigit():
            return None  # `0417A` is an identifier
    decimal = _decimal(digits)
    return None if decimal is None else float(f"{sign}{decimal}{exponent}")


def _decimal(digits: str) -> str | None:
    """Digits with points and commas as digits with a decimal point at most."""
    signs = digits.count("."), digits.count(",")
    if sum(signs) <= 1:
        return None if digits[-1] in ".," else digits.replace(",", ".")
    if 0 in signs:
        return None
    point, parts = (".", ",") if digits.rfind(".") > digits.rfind(",") else (",", ".")
    whole, _, fraction = digits.rpartition(point)
    groups = whole.split(parts)
    grouped = 1 <= len(groups[0]) <= 3 and groups[0][0] != "0" and all(len(group) == 3 for group in groups[1:])
    if point in whole or not fraction or not grouped:
        return None
    return f"{''.join(groups)}.{fraction}"
