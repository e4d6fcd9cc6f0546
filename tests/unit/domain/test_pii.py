"""What the patterns find, what they leave alone, and what they are known to miss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.pii import Kind, find

FOUND = [
    ("jane.doe@example.com", Kind.EMAIL),
    ("Contact: jane+x@example.co.uk please", Kind.EMAIL),
    ("jane@localhost", Kind.EMAIL),
    ("j\u00fcrgen@b\u00fccher.example", Kind.EMAIL),
    ("\uff4aane\uff20example.com", Kind.EMAIL),
    ("jane\u200b@\u200bexample.com", Kind.EMAIL),
    ("jane%40example.com", Kind.EMAIL),
    ("jane&#64;example.com", Kind.EMAIL),
    ("jane.doe (at) example (dot) com", Kind.EMAIL),
    ("jane [at] example.com", Kind.EMAIL),
    ("jane at example dot com", Kind.EMAIL),
    ("jane AT example DOT com", Kind.EMAIL),
    ("jane AT example.com", Kind.EMAIL),
    ("+43 664 1234567", Kind.PHONE),
    ("+1 (415) 555-2671", Kind.PHONE),
    ("+4915112345678", Kind.PHONE),
    ("0043 664 1234567", Kind.PHONE),
    ("0664 1234567", Kind.PHONE),
    ("06641234567", Kind.PHONE),
    ("030/1234567", Kind.PHONE),
    ("020 7946 0958", Kind.PHONE),
    ("06 12 34 56 78", Kind.PHONE),
    ("(555) 234-5678", Kind.PHONE),
    ("555-234-5678", Kind.PHONE),
    ("555.234.5678", Kind.PHONE),
    ("1-800-234-5678", Kind.PHONE),
    ("tel 5551234", Kind.PHONE),
    ("Phone: 555 12 34", Kind.PHONE),
    ("\uff0b\uff14\uff13 664 1234567", Kind.PHONE),
    ("555\u2011234\u20115678", Kind.PHONE),
    ("AT61 1904 3002 3457 3201", Kind.IBAN),
    ("DE89370400440532013000", Kind.IBAN),
    ("gb29 nwbk 6016 1331 9268 19", Kind.IBAN),
    ("IBAN FR14 2004 1010 0505 0001 3M02 606 of the customer", Kind.IBAN),
    ("NL91-ABNA-0417-1643-00", Kind.IBAN),
    ("4111 1111 1111 1111", Kind.CARD),
    ("5500-0000-0000-0004", Kind.CARD),
    ("card 378282246310005 on file", Kind.CARD),
    ("6011111111111117", Kind.CARD),
    ("123-45-6789", Kind.SSN),
    ("SSN 078 05 1120", Kind.SSN),
    ("00:1A:2B:3C:4D:5E", Kind.MAC),
    ("00-1a-2b-3c-4d-5e", Kind.MAC),
    ("10.0.0.1", Kind.IP),
    ("from 203.0.113.77 today", Kind.IP),
    ("It was 203.0.113.77.", Kind.IP),
    ("2001:db8::8a2e:370:7334", Kind.IP),
    ("[fe80::1]", Kind.IP),
    ("https://example.com/path", Kind.URL),
    ("ftp://example.com", Kind.URL),
    ("www.example.com", Kind.URL),
    ("linkedin.com/in/janedoe", Kind.URL),
    ("tel:5551234567", Kind.URL),
    ("sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc", Kind.TOKEN),
    ("sk-" + "ant-api03-abcdefghijklmnop", Kind.TOKEN),
    ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", Kind.TOKEN),
    ("glpat-aBcDeFgHiJkLmNoPqRsT", Kind.TOKEN),
    ("xoxb-123456789012-abcdef", Kind.TOKEN),
    ("AKIAIOSFODNN7EXAMPLE", Kind.TOKEN),
    ("AIzaSyA1234567890abcdefghijklmnopqrstuv", Kind.TOKEN),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", Kind.TOKEN),
    ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Kind.TOKEN),
    ("Bearer abcdefghijklmnop1234", Kind.TOKEN),
    ("Basic amFuZTpzZWNyZXQ=", Kind.TOKEN),
    ("password=hunter22", Kind.TOKEN),
    ("api_key: 12345678", Kind.TOKEN),
    ("-----BEGIN RSA " + "PRIVATE KEY-----", Kind.TOKEN),
    ("d41d8cd98f00b204e9800998ecf8427e", Kind.TOKEN),
    ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLE1KEY2", Kind.TOKEN),
    ("thanks to @janedoe", Kind.HANDLE),
    ("<@U024BE7LH>", Kind.HANDLE),
]

LEFT_ALONE = [
    "",
    "Guardian Pro",
    "Guardian Pro 2026",
    "guardian.core.rules",
    "rules_usage",
    "ai_intelligence",
    "network-intelligence",
    "Move to Pro in Q4",
    "Score 72.4 (up 3.1)",
    "1,234,567.89",
    "50 000 000 rows",
    "1000000",
    "0.123456789",
    "12345678",
    "99.95 %",
    "2026-11-01",
    "2026-11-01T06:00:00Z",
    "2026-11-01 06:00:00.123456+01:00",
    "2025-12-31 to 2026-12-31",
    "01/11/2026",
    "12:30:45",
    "06:00",
    "019a3dd0-6a00-7000-8000-000000000001",
    "12345678-1234-1234-1234-123456789012",
    "prod",
    "eu-central-1",
    "v1.2.3",
    "1.2.3",
    "1.2.3.4.5",
    "300.1.1.1",
    "application/json",
    "text/plain; charset=utf-8",
    "a/b test",
    "std::vector",
    "C++",
    "look at example.com",
    "meet at noon",
    "3 of 10 tasks done",
    "tasks 1-10, 20-30",
    "week 42, 2026",
    "ISO 27001, SOC 2",
    "token budget",
    "basic plan subscription",
    "bearer of good news",
    "password rotation",
    "key: value",
    "4111 1111 1111 1112",
    "DE00370400440532013000",
    "basic functions",
    "basic subscription",
    "ZZ61190430023457320100",
    "90-100-110",
    "\u2605 Erfolg \u00fcber alles \u2014 gro\u00dfartig",
    "readiness_updated_and_a_rather_long_snake_case_identifier_2",
    "a-very-long-slug-with-many-words-and-1-number-in-2026",
]

KNOWN_MISSES = [
    "Jane Doe",
    "jane_doe",
    "u4155552671",
    "born on 3 May 1981",
    "221B Baker Street, London",
    "jane at example com",
    "four one five, five five five, two six seven one",
    "5551234",
    "passport C01X00T47",
    "example.com",
    "j a n e @ e x a m p l e . c o m",
    "hunter2",
]


@pytest.mark.parametrize(("text", "kind"), FOUND)
def test_a_known_shape_is_found_and_named(text: str, kind: Kind) -> None:
    assert find(text) is kind


@pytest.mark.parametrize(("text", "kind"), FOUND)
def test_words_around_it_hide_nothing(text: str, kind: Kind) -> None:
    assert find(f"see ({text}) for more") is not None, kind


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_the_words_and_numbers_of_the_trade_are_left_alone(text: str) -> None:
    assert find(text) is None


@pytest.mark.parametrize("text", KNOWN_MISSES)
def test_these_are_not_found_which_is_why_payloads_have_no_free_text(text: str) -> None:
    assert find(text) is None


def test_a_version_of_four_numbers_looks_like_an_address_unless_the_field_allows_it() -> None:
    assert find("1.2.3.4") is Kind.IP
    assert find("1.2.3.4", allowed={Kind.IP}) is None
    assert find("1.2.3.4 jane@example.com", allowed={Kind.IP}) is Kind.EMAIL


@given(
    local=st.from_regex(r"[a-z][a-z0-9.]{0,20}[a-z0-9]", fullmatch=True),
    domain=st.from_regex(r"[a-z][a-z0-9-]{1,20}\.(com|at|example)", fullmatch=True),
    before=st.sampled_from(["", "mail ", "<", "(", "\u00fc: "]),
)
def test_every_ordinary_mail_address_is_found(local: str, domain: str, before: str) -> None:
    assert find(f"{before}{local}@{domain}") is not None


@given(digits=st.text("0123456789", min_size=14, max_size=14), first=st.sampled_from("23456"))
def test_of_16_digits_exactly_those_that_pass_the_check_are_a_card(digits: str, first: str) -> None:
    kinds = [find(f"{first}{digits}{last}") for last in range(10)]

    assert kinds.count(Kind.CARD) == 1


@given(text=st.text(max_size=200))
def test_no_text_breaks_the_search(text: str) -> None:
    find(text)


@pytest.mark.parametrize(
    "unit", ["a", "1", "a ", "1 ", "@", ".", ":", "-", "a.", "a@", "+1", "AB12"]
)
def test_a_long_text_takes_no_more_than_its_length(unit: str) -> None:
    """A pattern that looks back and forth would take minutes here."""
    find(unit * 50_000)
