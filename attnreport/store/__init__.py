"""Recordings on disk: Zarr v3 through TensorStore, here or behind any of its URLs."""

from attnreport.store.info import ExampleInfo as ExampleInfo
from attnreport.store.info import GroupInfo as GroupInfo
from attnreport.store.info import RecordingInfo as RecordingInfo
from attnreport.store.info import recording_info as recording_info
from attnreport.store.load import load_recording as load_recording
from attnreport.store.save import require_writable as require_writable
from attnreport.store.save import save_recording as save_recording
from attnreport.store.schema import SCHEMA_VERSION as SCHEMA_VERSION
