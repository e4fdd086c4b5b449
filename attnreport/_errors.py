"""The errors a caller can cause: what was found and where, what is needed, what to do."""


class AttnReportError(Exception):
    """Base of every error that attnreport raises on purpose."""


class InvalidAttentionError(AttnReportError, ValueError):
    """Arrays or labels that cannot be attention weights."""


class CaptureError(AttnReportError, RuntimeError):
    """A model ran, but its attention could not be taken out of it."""


class RecordingFileError(AttnReportError, OSError):
    """A recording could not be read or written."""


class ModelFolderError(AttnReportError, ValueError):
    """A folder with a pretrained model that cannot be loaded."""


class DataError(AttnReportError, ValueError):
    """A file or folder of data that a demo cannot learn from."""


class ReportError(AttnReportError, ValueError):
    """A report could not be made or written."""


class UnknownNameError(AttnReportError, LookupError):
    """A name that is not among the known ones."""


class MissingDependencyError(AttnReportError, ImportError):
    """A package of an optional extra is not installed."""
