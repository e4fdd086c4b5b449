"""The versions of the format that recordings are stored in."""

from attnreport._errors import RecordingFileError

# What each version of the format is, or changed. A reader knows all versions up to its own.
HISTORY = {
    1: "A Zarr v3 group. Its attribute `attnreport` describes the recording; arrays `weights_*`, "
    "`logits_*`, `mask_*` and `reference_*` hold the numbers, one head per chunk.",
    2: "Arrays `picture_*`, which grid axes and examples refer to, `confusion_0`, and the curves "
    "of `training`, and what `deletion` and `importance` measured. A description without them "
    "means what it meant before.",
    3: "`generation` of examples and `first_step` of maps: what was written token by token, and "
    "which row wrote it; and `scoring` of maps, with arrays `query_*`, `key_*` and `bias_*`. A "
    "description without them means what it meant before.",
}

SCHEMA_VERSION = max(HISTORY)


def require_known_schema(version: object, place: str) -> None:
    """Raises unless this release can read recordings of format `version`.

    Raises:
        RecordingFileError: A newer release wrote it, or it is no version at all.
    """
    if type(version) is int and version in HISTORY:
        return
    if type(version) is int and version > SCHEMA_VERSION:
        raise RecordingFileError(
            f"{place} is a recording of format {version}, and this attnreport reads formats up to "
            f"{SCHEMA_VERSION}. Update it: `pip install --upgrade attnreport`."
        )
    raise RecordingFileError(
        f"{place} is damaged: it says its format is {version!r}, which never existed. Record or "
        "copy it again."
    )
