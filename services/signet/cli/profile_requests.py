"""What `signet profile` asks of the program that has the store open."""

import base64

from signet.cli.control import Json
from signet.client import Client, Profile


async def answer(client: Client, what: Json) -> Json:
    """Change what is given, keep the rest; what is shown then."""
    shown = await client.profile_of(client.user_id) or Profile("")
    if "name" in what:
        name = shown.name if what["name"] is None else what["name"]
        data, media_type = shown.picture, shown.media_type
        if what["picture"] is not None:
            data, media_type = base64.b64decode(what["picture"]), what["media_type"]
        await client.set_profile(name, data, media_type)
        shown = await client.profile_of(client.user_id) or Profile("")
    return {"name": shown.name, "picture_bytes": len(shown.picture)}
