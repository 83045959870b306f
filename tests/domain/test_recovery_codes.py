"""Recovery codes."""

import re

from collectors.domain.recovery_codes import digest_of, generate_codes


def test_codes_are_random_and_easy_to_copy_by_hand() -> None:
    codes = [code for _ in range(20) for code in generate_codes()]
    assert len(set(codes)) == 200
    assert all(re.fullmatch("[a-z2-7]{4}(-[a-z2-7]{4}){3}", code) for code in codes)


def test_a_code_is_the_same_however_it_is_written() -> None:
    assert digest_of("abcd-efgh-ijkl-mnop") == digest_of(" ABCD efgh\tIJKLmnop ")
    assert digest_of("abcd-efgh-ijkl-mnop") != digest_of("abcd-efgh-ijkl-mnoq")
