"""Images, sounds and files on their way between dialects: base64 text is moved, never decoded."""

from __future__ import annotations

from typing import Literal

from crossover.chat import Media

Kind = Literal["image", "audio", "video", "file"]

# How base64 of these begins: the first bytes of each format's signature.
_BEGINNINGS = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi0", "application/pdf"),
)
_ENDINGS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "pdf": "application/pdf",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "txt": "text/plain",
}


def inline(media: Media) -> tuple[str, str] | None:
    """(MIME type, base64 text) of what came with the request, also as a ``data:`` URL; None for a real URL."""
    if media.data is not None:
        return media.mime or _sniffed(media.data, media.kind), media.data
    head, comma, data = (media.url or "").partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        return None
    return head[5:-7].partition(";")[0] or media.mime or _sniffed(data, media.kind), data


def mime_of_url(media: Media) -> str | None:
    """The MIME type of something by URL: as said, or by the ending of its path."""
    path = (media.url or "").partition("?")[0].partition("#")[0]
    return media.mime or _ENDINGS.get(path.rpartition(".")[2].lower())


def kind_of(mime: str) -> Kind:
    """What a MIME type is: everything but images, sounds and videos is a file."""
    match mime.partition("/")[0]:
        case "image":
            return "image"
        case "audio":
            return "audio"
        case "video":
            return "video"
        case _:
            return "file"


def _sniffed(data: str, kind: Kind) -> str:
    for beginning, mime in _BEGINNINGS:
        if data.startswith(beginning):
            return mime
    return {"image": "image/png", "audio": "audio/wav", "video": "video/mp4"}.get(kind, "application/octet-stream")
