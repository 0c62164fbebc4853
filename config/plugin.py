"""A section of the YAML that names a plugin: its `type`, and options that the plugin itself checks."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streamlake.config.values import plain_deep


class PluginSettings(BaseModel):
    """A plugin by its `type`, and its own options, which the plugin itself checks."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str = Field(
        min_length=1,
        description="The plugin: a name that `streamlake plugins` lists, or an import path module:Class. Change it "
        "for another plugin; what has landed stays as it is.",
    )

    @model_validator(mode="before")
    @classmethod
    def _plain_options(cls, section: object) -> object:
        return plain_deep(section)

    @property
    def options(self) -> dict[str, object]:
        """What stands in the section beside `type`."""
        return dict(self.model_extra or {})
