"""What every section of the document has in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A mapping of options: an unknown key is a mistake, and the text under an option is its explanation."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)
