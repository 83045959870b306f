"""An authenticator app, as a person has it on the phone."""

import time
from dataclasses import dataclass, field

import pyotp

from collectors.models import User
from collectors.services import second_factors
from tests.cast import SOMEBODY


@dataclass
class Authenticator:
    """Shows codes for a secret. Each is good once, and only if it is of a later step than the one before."""

    secret: str
    recovery_codes: list[str] = field(default_factory=list)

    def code(self, steps_ahead: int = 0) -> str:
        """Return the code of this half minute, or of one that comes."""
        return pyotp.TOTP(self.secret).generate_otp(int(time.time()) // 30 + steps_ahead)


def with_second_factor(user: User) -> Authenticator:
    """Set a second factor up for somebody, with the code of now, and return what is on the phone."""
    second_factors.begin(user=user, actor=SOMEBODY)
    secret = second_factors.unconfirmed_secret(user=user)
    assert secret is not None
    app = Authenticator(secret)
    codes = second_factors.confirm(user=user, code=app.code(), actor=SOMEBODY)
    assert codes is not None
    app.recovery_codes = codes
    return app
