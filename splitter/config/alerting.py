"""Where alerts go, as a section of the document."""

from urllib.parse import urlsplit

from pydantic import SecretStr, field_validator

from splitter.alerts import WEBHOOKS, is_known
from splitter.config.section import Section
from splitter.contracts import Severity

_REMEDY = "write the https:// address of a webhook, or one that Apprise knows"


class AlertTarget(Section):
    url: SecretStr
    """Where each alert is sent: the `https://` address of a webhook, which gets a POST with a JSON object, or an
    address that the library Apprise knows, as `slack://…`, `mailto://…`, `pagerduty://…`. Never logged whole."""
    on: frozenset[Severity] = frozenset({Severity.WARNING, Severity.CRITICAL})
    """The severities that are sent."""

    @field_validator("url")
    @classmethod
    def _is_known(cls, url: SecretStr) -> SecretStr:
        """Find a slip before the first alert.  No more of the address than its scheme is told: it may be a secret."""
        address = url.get_secret_value()
        scheme = address.partition(":")[0].lower() if "://" in address else ""
        if not scheme:
            raise ValueError(f"this has no scheme; {_REMEDY}")
        if scheme not in WEBHOOKS:
            if not is_known(address):
                raise ValueError(f"this is no {scheme}:// address that alerts can go to; {_REMEDY}")
            return url
        try:
            parts = urlsplit(address)
            has_host = bool(parts.hostname) and parts.port != 0
        except ValueError:
            raise ValueError("this is no address; write https://host/path") from None
        if not has_host:
            raise ValueError("the address has no host; write https://host/path")
        return url
