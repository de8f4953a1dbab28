"""What secrets hold that are variables: kept in memory, since the journal has their digests alone.

A stack is made of the template in the journal, so its values are laid back in here by their digests.  Another value
than the one that was deployed has another digest, and is never given.
"""

from collections.abc import Mapping
from dataclasses import replace

from splitter.limits import SECRET_VALUES_MAX
from splitter.template import Document, Template


class Values:
    """Values by their digests, the latest last."""

    def __init__(self) -> None:
        self._by_digest: dict[str, str] = {}

    def remember(self, template: Template) -> None:
        """Keep what the secrets and configs of a template hold, as far as it is at hand."""
        for document in (*template.secrets.values(), *template.configs.values()):
            if document.value is not None:
                self._by_digest.pop(document.digest, None)
                self._by_digest[document.digest] = document.value
        for oldest in list(self._by_digest)[:-SECRET_VALUES_MAX]:
            del self._by_digest[oldest]

    def lacks(self, template: Template) -> bool:
        """Return whether a secret or config of a template holds what nobody here remembers."""
        documents = (*template.secrets.values(), *template.configs.values())
        return any(each.environment and each.value is None and each.digest not in self._by_digest for each in documents)

    def filled(self, template: Template) -> Template:
        """Return the template with the values that are remembered."""
        return replace(template, secrets=self._with(template.secrets), configs=self._with(template.configs))

    def _with(self, documents: Mapping[str, Document]) -> dict[str, Document]:
        return {
            key: replace(each, value=self._by_digest.get(each.digest))
            if each.environment and each.value is None
            else each
            for key, each in documents.items()
        }
