"""Templates: an empty file in each format, with the columns that an import knows."""

from nameplate.domain.access import Role
from nameplate.files.layout import Format
from nameplate.files.templates import template
from nameplate.rest.calls import RestCall
from nameplate.rest.media import MEDIA_TYPES
from nameplate.rest.replies import Download
from nameplate.rest.routes import route


@route("GET", "/v1/templates/{format}", role=Role.READER, media_type="application/octet-stream")
def get_template(call: RestCall, format: Format) -> Download:  # noqa: A002, ARG001 (the path's; any caller's)
    """Download a file to fill in."""
    return Download(iter((template(format),)), MEDIA_TYPES[format], f"devices.{format}")
