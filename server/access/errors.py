"""Errors of calls that are refused for who makes them. No message quotes a credential."""

from typing import ClassVar

from runtime.errors import AnalyticsError


class AccessError(AnalyticsError):
    """A call is refused for who makes it."""


class NoCredentialError(AccessError):
    """The call has no key and no token, and needs one."""

    reason: ClassVar[str] = "NO_CREDENTIAL"

    def __init__(self) -> None:
        """Say how to send one."""
        super().__init__("this call needs a key or a token: send the header `authorization: Bearer <key>`")


class ForeignCallError(AccessError):
    """A call without a key that a web page of somebody else may have caused."""

    reason: ClassVar[str] = "FOREIGN_CALL"

    def __init__(self, because: str) -> None:
        """Say what is foreign about it."""
        super().__init__(f"this call needs a key: {because}, and without a key this machine alone may call")


class BadCredentialError(AccessError):
    """The key or the token of the call cannot be used."""

    reason: ClassVar[str] = "BAD_CREDENTIAL"


class MissingScopeError(AccessError):
    """The key or the token is good, and not for this."""

    reason: ClassVar[str] = "MISSING_SCOPE"

    def __init__(self, scope: str) -> None:
        """Name the scope that is missing."""
        super().__init__(f"this call needs the scope {scope}: use a key or a token that has it")


class NotAllowedByKeyError(AccessError):
    """A key does not allow what its caller sends, or from where."""

    reason: ClassVar[str] = "NOT_ALLOWED_BY_KEY"


class QuotaExceededError(AccessError):
    """A quota of the key is used up.

    Attributes:
        subject: whose quota, as "key:<id>".
        quota: the name of the quota.
    """

    reason: ClassVar[str] = "QUOTA_EXCEEDED"

    def __init__(self, subject: str, quota: str, message: str, *, retry_after_s: float) -> None:
        """Say which quota, and when to come back."""
        super().__init__(message)
        self.subject = subject
        self.quota = quota
        self.retry_after_s = retry_after_s


class TooManyFailuresError(AccessError):
    """Too many tokens from one address failed."""

    reason: ClassVar[str] = "TOO_MANY_FAILURES"

    def __init__(self, retry_after_s: float) -> None:
        """Say when to come back."""
        super().__init__("too many tokens from this address failed: send a valid one a little later")
        self.retry_after_s = retry_after_s


class KeysUnavailableError(AccessError):
    """The server knows no keys yet."""

    reason: ClassVar[str] = "KEYS_UNAVAILABLE"

    def __init__(self) -> None:
        """Tell the caller what to do."""
        super().__init__("the server cannot check keys until the database answers: send the same again a little later")
