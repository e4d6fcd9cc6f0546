"""The second line against personal data: patterns that name the kind of what they find.

The first line is types: a payload has no free text at all. This one looks at what people may type
(labels, catalogue entries, header values) and at what a model writes. It knows shapes, not persons:
a bare name, a date of birth or a street passes, and so does whatever is spelled out in words. The
value found is never returned, so that it cannot travel on in a refusal or a log.
"""

import re
import unicodedata
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Collection
from enum import StrEnum
from ipaddress import IPv6Address


class Kind(StrEnum):
    """What was found; safe to show, to log and to count."""

    TOKEN = "token"  # noqa: S105 - the name of a kind
    EMAIL = "email"
    URL = "url"
    IBAN = "iban"
    CARD = "card"
    SSN = "ssn"
    MAC = "mac"
    IP = "ip"
    PHONE = "phone"
    HANDLE = "handle"


def find(text: str, *, allowed: Collection[Kind] = ()) -> Kind | None:
    """Name the first kind of personal or secret data in `text`, or None.

    Args:
        text: any text; wide, invisible and percent-encoded characters are seen through.
        allowed: kinds this field may hold, such as `Kind.IP` where version numbers like `1.2.3.4`
            are written.
    """
    plain = _plain(text)
    # Most labels are words: without a digit only a few kinds are possible.
    has_digit = _DIGIT.search(plain) is not None
    numeric = _HARMLESS.sub(" ", plain) if has_digit else plain
    for kind, needs_digit, is_in in _DETECTORS:
        if needs_digit and not has_digit:
            continue
        if kind not in allowed and is_in(numeric if needs_digit else plain):
            return kind
    return None


_DIGIT = re.compile(r"[0-9]")
_ENCODED = re.compile(r"%40|&#0*64;|&#x0*40;|&commat;", re.IGNORECASE)
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))

# Ids and instants are the numbers of our own trade; their digits are nobody's telephone.
_HARMLESS = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
    r"|\b(?:19|20)\d\d-[01]\d-[0-3]\d"
    r"(?:[T ][0-2]\d:[0-5]\d(?::[0-6]\d(?:\.\d{1,9})?)?(?:Z|[+-][0-2]\d:?[0-5]\d)?)?(?![\d-])",
    re.IGNORECASE,
)

_TOKEN = re.compile(
    r"\b(?:"
    r"(?:sk|pk|rk)_(?:live|test)_\w{8,}"
    r"|sk-[\w-]{16,}"
    r"|gh[opusr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{12,}"
    r"|xox[abeoprs]-[\w-]{8,}"
    r"|A(?:KIA|SIA)[A-Z0-9]{16}"
    r"|AIza[\w-]{30,}|ya29\.[\w-]{16,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}"
    r"|SG\.[\w-]{16,}\.[\w-]{16,}"
    r"|npm_\w{24,}|pypi-[\w-]{24,}|hf_\w{24,}|dop_v1_\w{24,}|shp(?:at|ss|ca|pa)_\w{24,}"
    r"|wh(?:sec|sk)_[\w+/=-]{16,}|gz7_live_\w{16,}"
    r"|(?i:bearer)\s{1,4}[\w.~+/-]{16,}"
    r"|(?i:passw(?:or)?d|pwd|secret|token|api[ _-]?key|access[ _-]?key)\s{0,2}[=:]\s{0,2}\S{6,}"
    r")|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----"
)
_HEX_RUN = re.compile(r"(?<![0-9a-zA-Z-])(?=[a-fA-F]{0,40}[0-9])[0-9a-fA-F]{32,}(?![0-9a-zA-Z-])")
_MIXED_RUN = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/_-]{32,256}={0,2}(?![\w+/=-])")
_BASIC = re.compile(r"\b[Bb]asic\s{1,4}([A-Za-z0-9+/]{8,}={0,2})")

_EMAIL = re.compile(r"""[\w.+'"-]{1,64}@(?=[\w.-]{0,64}[^\W\d_])[\w-]{2,63}""")
_BRACKETED = re.compile(r"\w\s{0,2}[\[({<]\s?(?:at|@)\s?[\])}>]\s{0,2}\w", re.IGNORECASE)
_SPELLED = re.compile(r"\w at [\w-]{2,63} dot \w", re.IGNORECASE)
# Only shouted: "look at example.com" is an ordinary sentence.
_SHOUTED = re.compile(r"\w AT [\w-]{2,63}(?:\.\w|\sDOT\s)")

_URL = re.compile(
    r"\b[a-z][a-z0-9+.-]{1,20}://\S|\bwww\d?\.[\w-]{1,63}\.\w|\b(?:mailto|tel|sms):\S"
    r"|\b(?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,24}/[\w~%-]",
    re.IGNORECASE,
)

_IBAN = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30})")
_IBAN_LENGTHS = {
    country: int(length)
    for country, length in re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 "
        "EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 "
        "IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30 "
        "NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SD18 SE24 SI19 SK24 SM27 ST25 SV28 "
        "TL23 TN24 TR26 UA29 VA22 VG24 XK20",
    )
}
_CARD = re.compile(r"(?<![\w.,+-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\w-])")
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}[- ](?!00)\d{2}[- ](?!0000)\d{4}(?![\w-])")
_MAC = re.compile(
    r"(?<![\w:-])[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}(?![\w:-])", re.IGNORECASE
)
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_IPV4 = re.compile(rf"(?<![\w.-])(?:{_OCTET}\.){{3}}{_OCTET}(?!\w|\.\d)")
_IPV6 = re.compile(r"(?<![\w:])[0-9a-f:]{3,39}(?![\w:])", re.IGNORECASE)
_PHONE = re.compile(
    r"(?<![\w.,+-])(?:"
    r"\+\s?[1-9](?:[ ()./-]{0,3}\d){6,14}"  # international
    r"|00[1-9](?:[ ()./-]{0,3}\d){7,14}"
    r"|\(0?\d{2,5}\)[ ./-]{0,2}\d{2,4}(?:[ ./-]?\d{2,4}){1,3}"  # an area in parentheses
    r"|(?:1[ .-])?[2-9]\d{2}([ .-])[2-9]\d{2}\1\d{4}"  # North America
    r"|0[1-9](?:([ .-])\d{2})(?:\2\d{2}){3}"  # France
    r"|0[1-9]\d{0,3}[ /-]\d{3,5}(?:[ -]?\d{2,5}){1,3}"  # a trunk zero and groups
    r"|0[1-9]\d{8,11}"  # a trunk zero and nothing between
    r")(?![\w-]|[.,]\d)"
)
_NAMED_PHONE = re.compile(
    r"\b(?:tel|phone|fon|mobile?|handy|fax|call|whatsapp)\b"
    r"[ .:#-]{0,4}\+?\d(?:[ ()./-]?\d){5,14}\b",
    re.IGNORECASE,
)
_HANDLE = re.compile(r"(?<![\w@.])@[A-Za-z_]\w{2,30}|<[@!#][A-Z0-9]{6,}")


def _plain(text: str) -> str:
    """Undo what hides a shape: width, invisible signs, exotic dashes, encoded at-signs."""
    if text.isascii():
        plain = text
    else:
        wide = unicodedata.normalize("NFKC", text).translate(_DASHES)
        plain = "".join(sign for sign in wide if unicodedata.category(sign) != "Cf")
    return _ENCODED.sub("@", plain) if "%" in plain or "&" in plain else plain


def _has_token(text: str) -> bool:
    if _TOKEN.search(text) or _HEX_RUN.search(text):
        return True
    if any(_is_mixed(match[0]) for match in _MIXED_RUN.finditer(text)):
        return True
    return any(_is_user_and_password(match[1]) for match in _BASIC.finditer(text))


def _is_mixed(run: str) -> bool:
    """A path or a slug has few digits and one case; a random text has plenty of everything."""
    digits = sum(sign.isdigit() for sign in run)
    uppers = sum(sign.isupper() for sign in run)
    lowers = sum(sign.islower() for sign in run)
    least = len(run) // 16
    return digits >= least and uppers >= least and lowers >= least


def _is_user_and_password(encoded: str) -> bool:
    try:
        return b":" in a2b_base64(encoded)
    except Base64Error:
        return False


def _has_email(text: str) -> bool:
    return any(shape.search(text) for shape in (_EMAIL, _BRACKETED, _SPELLED, _SHOUTED))


def _has_url(text: str) -> bool:
    return _URL.search(text) is not None


def _has_iban(text: str) -> bool:
    return any(_is_iban(match[1]) for match in _IBAN.finditer(text))


def _is_iban(run: str) -> bool:
    letters = run.replace(" ", "").replace("-", "").upper()
    length = _IBAN_LENGTHS.get(letters[:2], 0)
    if not length or len(letters) < length:
        return False
    turned = letters[4:length] + letters[:4]
    return int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1


def _has_card(text: str) -> bool:
    return any(_is_luhn(match[0]) for match in _CARD.finditer(text))


def _is_luhn(run: str) -> bool:
    digits = [int(sign) for sign in run if sign.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]  # noqa: PLR2004 - Luhn's rule
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def _has_ssn(text: str) -> bool:
    return _SSN.search(text) is not None


def _has_mac(text: str) -> bool:
    return _MAC.search(text) is not None


def _has_ip(text: str) -> bool:
    return _IPV4.search(text) is not None or any(
        _is_ipv6(match[0]) for match in _IPV6.finditer(text)
    )


def _is_ipv6(run: str) -> bool:
    try:
        return run.count(":") > 1 and int(IPv6Address(run)) > 0
    except ValueError:
        return False


def _has_phone(text: str) -> bool:
    return _PHONE.search(text) is not None or _NAMED_PHONE.search(text) is not None


def _has_handle(text: str) -> bool:
    return _HANDLE.search(text) is not None


_DETECTORS: tuple[tuple[Kind, bool, Callable[[str], bool]], ...] = (
    (Kind.TOKEN, False, _has_token),
    (Kind.EMAIL, False, _has_email),
    (Kind.URL, False, _has_url),
    (Kind.IBAN, True, _has_iban),
    (Kind.CARD, True, _has_card),
    (Kind.SSN, True, _has_ssn),
    (Kind.MAC, True, _has_mac),
    (Kind.IP, True, _has_ip),
    (Kind.PHONE, True, _has_phone),
    (Kind.HANDLE, False, _has_handle),
)
