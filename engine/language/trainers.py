"""Which other trainer a document is written for, told from its keys alone: people give a recipe's verbs what they have.

Nothing is read for it, so that it costs nothing where a recipe is only wrong.
"""

from engine.language.nodes import Plain

TITLES = {"simpletuner": "SimpleTuner", "musubi": "musubi-tuner", "ai-toolkit": "ai-toolkit"}
"""Tool as ``recipe import`` calls it → its name for people."""

_ENOUGH = 2  # keys that are a trainer's own

_SIMPLETUNER = frozenset(
    ("model_family", "model_type", "model_flavour", "data_backend_config", "pretrained_model_name_or_path", "num_train_epochs",
     "max_train_steps", "train_batch_size", "lora_type", "lora_rank", "lr_scheduler", "lr_warmup_steps", "output_dir", "optimizer",
     "base_model_precision", "flow_schedule_shift", "validation_prompt", "validation_resolution", "checkpoint_step_interval")
)  # fmt: skip
_MUSUBI = frozenset(
    ("task", "dit", "dataset_config", "network_module", "network_dim", "network_alpha", "timestep_sampling", "discrete_flow_shift",
     "optimizer_type", "max_train_epochs", "max_data_loader_n_workers", "blocks_to_swap")
)  # fmt: skip
_MUSUBI_CLIPS = ("video_directory", "image_directory", "video_jsonl_file", "image_jsonl_file")


def looks_like(said: Plain) -> str | None:
    """Return the trainer that a document is written for, as ``recipe import`` calls it; None where none is known by it."""
    if isinstance(said, list):
        return (
            "simpletuner"
            if any(isinstance(entry, dict) and "dataset_type" in entry for entry in said)
            else None
        )
    if not isinstance(said, dict) or "apiVersion" in said:
        return None
    inner = said.get("config")
    if isinstance(inner, dict) and isinstance(inner.get("process"), list):
        return "ai-toolkit"
    datasets = said.get("datasets")
    if isinstance(datasets, list) and any(
        key in entry for entry in datasets if isinstance(entry, dict) for key in _MUSUBI_CLIPS
    ):
        return "musubi"
    keys = {key.removeprefix("--") for key in said}
    known = {"simpletuner": len(keys & _SIMPLETUNER), "musubi": len(keys & _MUSUBI)}
    most = max(known, key=lambda tool: known[tool])
    return most if known[most] >= _ENOUGH else None
