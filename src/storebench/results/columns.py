"""The columns of the tidy table: names, order, types. docs/results.md says what they mean; a test holds the two together."""

from __future__ import annotations

from typing import Final

# fmt: off
TEXT: Final = (
    "case_id", "dataset", "dtype", "axes", "backend", "format", "library", "library_version", "codec", "operation",
    "pattern", "level_axes", "level_method", "concurrency", "store", "cache", "durability", "status", "reason",
    "engine", "cache_shown", "noise", "machine", "environment", "environment_id", "commit", "benchmark",
)
INTS: Final = (
    "seed", "n_levels", "stack_axis", "threads", "n_samples", "n_processes", "samples_verified", "samples_discarded",
    "logical_bytes", "asked_bytes", "chunk_bytes", "stored_bytes", "n_files", "device_bytes", "read_call_bytes",
    "fetched_bytes", "requests", "gets", "ranged_gets", "misses", "sets", "lists", "set_bytes", "predicted_requests",
    "predicted_bytes", "files_opened", "renames", "read_calls", "write_calls", "instructions", "threads_ran",
    "chunks_touched", "voxels_asked", "voxels_decoded", "peak_memory_bytes", "n_frames",
)
FLOATS: Final = (
    "median_s", "ci95_low_s", "ci95_high_s", "half_width", "p10_s", "first_touch_s", "open_s", "returned_s",
    "durable_s", "cpu_s", "parallelism", "throughput_mib_s", "limit_s", "limit_fraction", "limit_requests_s",
    "limit_bytes_s", "limit_decode_s", "codec_bytes_per_s", "preempted_share", "autocorrelation_time",
    "compression_ratio", "read_amplification", "write_amplification", "max_abs_error", "rmse", "psnr_db",
    "ssim", "first_view_s", "frame_median_s", "frame_p95_s", "frame_p99_s", "frame_max_s", "frames_per_s",
)
FRAMES: Final = ("frame_requests", "frame_bytes", "predicted_frame_requests", "predicted_frame_bytes")
FLAGS: Final = ("low_confidence", "converged", "noisy", "dirty")
TUPLES: Final = ("shape", "chunk_shape", "shard_shape", "samples_s", "samples_process", "frames_s", *FRAMES)

COLUMNS: Final = (
    "case_id", "dataset", "shape", "dtype", "axes", "seed", "backend", "format", "library", "library_version",
    "chunk_shape", "shard_shape", "codec", "operation", "pattern", "n_levels", "level_axes", "level_method",
    "stack_axis", "store", "cache", "durability", "threads", "concurrency", "status", "reason", "engine",
    "samples_s", "samples_process", "n_samples", "n_processes", "low_confidence", "converged", "samples_verified",
    "samples_discarded", "cache_shown", "noisy", "noise", "median_s", "ci95_low_s", "ci95_high_s", "half_width",
    "p10_s", "first_touch_s", "open_s", "returned_s", "durable_s", "cpu_s", "parallelism", "preempted_share",
    "autocorrelation_time", "throughput_mib_s", "limit_s", "limit_fraction", "limit_requests_s", "limit_bytes_s",
    "limit_decode_s", "codec_bytes_per_s", "logical_bytes", "asked_bytes", "chunk_bytes", "stored_bytes", "n_files",
    "compression_ratio", "fetched_bytes", "requests", "read_call_bytes", "device_bytes", "gets", "ranged_gets", "misses", "sets",
    "lists", "set_bytes", "predicted_requests", "predicted_bytes", "files_opened", "renames", "read_calls",
    "write_calls", "instructions", "threads_ran", "chunks_touched", "voxels_asked", "voxels_decoded",
    "read_amplification", "write_amplification", "max_abs_error", "rmse", "psnr_db", "ssim", "peak_memory_bytes",
    "n_frames", "frames_s", "first_view_s", "frame_median_s", "frame_p95_s", "frame_p99_s", "frame_max_s",
    "frames_per_s", *FRAMES, "machine", "environment", "environment_id", "commit", "dirty", "benchmark",
)
# fmt: on
"""In order."""
