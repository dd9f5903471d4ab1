"""Slips as people make them, each as what stands in a good recipe and what was typed instead."""

GOOD = """apiVersion: wan-recipe/v1
kind: recipe
extends: ["builtin:flavours/wan2.1-t2v-1.3b", "builtin:hardware/rtx-4090-24gb"]
title: Slips
tags: [style]

data:
  source: {kind: folder, path: clips}
  captions: {kind: beside}
  size: {kind: exact, width: 832, height: 480}
  frames: 81
  short_clips: drop
  bad_files: skip
  workers: 2

train:
  steps: 2000
  batch_size: 1
  micro_batch: 1
  learning_rate: 1e-4
  optimizer:
    kind: adamw
    betas: [0.9, 0.99]
    epsilon: 1e-8
    weight_decay: 0.01
  schedule: {kind: cosine, warmup_steps: 100}
  clip: {kind: norm, limit: 1.0}
  adapter:
    rank: 16
    alpha: 16
    dropout: 0
  noise:
    levels: {kind: logit_normal, mean: 0, scale: 1}
    shift: {kind: fixed, factor: 3}
  caption_dropout: 0.1
  precision: bf16
  gradient_checkpointing: {kind: blocks, every: 1}
  ema: {kind: decay, decay: 0.995, every: 1, warmup: true}
  result: ema
  seed: 42
  checkpoints: {every: 250, keep: 3}

sample:
  prompts:
    cat: A black cat walks to the right past two houses under a crescent moon, in an old black-and-white cartoon.
  width: 832
  height: 480
  frames: 81
  sampler: unipc
  steps: 40
  guidance: 5
"""

SLIPS = {
    # a word that there is not
    "two letters swapped": ("  steps: 2000", "  setps: 2000"),
    "a letter missing": ("learning_rate:", "learning_rte:"),
    "a letter too many": ("    rank: 16", "    rankk: 16"),
    "a hyphen for an underscore": ("batch_size:", "batch-size:"),
    "no underscore": ("micro_batch:", "microbatch:"),
    "camel case": ("weight_decay:", "weightDecay:"),
    "a capital": ("  seed: 42", "  Seed: 42"),
    "another trainer's rank": ("    rank: 16", "    network_dim: 16"),
    "another trainer's rate": ("learning_rate:", "lr:"),
    "another trainer's frames": ("  frames: 81\n  short", "  num_frames: 81\n  short"),
    "another trainer's schedule": ("  schedule:", "  lr_scheduler:"),
    "another trainer's precision": ("  precision:", "  mixed_precision:"),
    "plural": ("  precision:", "  precisions:"),
    "singular": ("  prompts:", "  prompt:"),
    "British for American": ("  optimizer:", "  optimiser:"),
    "a section misspelt": ("\ntrain:", "\ntrian:"),
    "a section in capitals": ("\nsample:", "\nSample:"),
    "a header word misspelt": ("extends:", "extend:"),
    "a header word of another kind": ("title:", "name:"),
    "a word in the wrong section": ("  guidance: 5", "  learning_rate: 5"),
    "a word one level too high": ("    alpha: 16\n", "  alpha: 16\n"),
    "a word one level too deep": ("    dropout: 0\n", "    dropout: 0\n    caption_dropout: 0.1\n"),
    "a word of another kind of size": ("kind: exact, width: 832, height: 480", "kind: pixel_area, width: 832, height: 480"),
    "a word of another optimizer": ("    kind: adamw", "    kind: lion"),
    "a word of another clip": ("kind: norm, limit: 1.0", "kind: none, limit: 1.0"),
    "a word of another source": ("kind: folder, path: clips", "kind: hub, path: clips"),
    "a directive misspelt": ("tags: [style]\n", "tags: [style]\nhardware: {$unsett: true}\n"),
    # a value of the wrong kind
    "a number in quotes": ("  steps: 2000", '  steps: "2000"'),
    "a number with a unit": ("  frames: 81\n  short", "  frames: 81 frames\n  short"),
    "a number with a comma": ("learning_rate: 1e-4", "learning_rate: 0,0001"),
    "a number with thousands": ("  steps: 2000", "  steps: 2_000"),
    "a fraction for a whole number": ("    rank: 16", "    rank: 16.5"),
    "yes for true": ("warmup: true", "warmup: yes"),
    "on for true": ("warmup: true", "warmup: on"),
    "a text for a switch": ("warmup: true", 'warmup: "true"'),
    "one value for a list": ("    betas: [0.9, 0.99]", "    betas: 0.9"),
    "a list for one value": ("    rank: 16", "    rank: [16]"),
    "a bare name for a choice": ("  captions: {kind: beside}", "  captions: beside"),
    "a size as a text": ("  size: {kind: exact, width: 832, height: 480}", "  size: 832x480"),
    "a list of prompts": ("    cat: A", "    - A"),
    "a text for the layers": ('extends: ["builtin:flavours/wan2.1-t2v-1.3b", "builtin:hardware/rtx-4090-24gb"]',
                              "extends: builtin:flavours/wan2.1-t2v-1.3b"),
    "tags in one text": ("tags: [style]", "tags: style, cartoon"),
    "nothing for a section": ("    rank: 16\n    alpha: 16\n    dropout: 0\n", ""),
    # a value out of range
    "no steps": ("  steps: 2000", "  steps: 0"),
    "a rank below one": ("    rank: 16", "    rank: -16"),
    "a rank beyond reason": ("    rank: 16", "    rank: 20000"),
    "a share of one": ("caption_dropout: 0.1", "caption_dropout: 1"),
    "per cent for a share": ("caption_dropout: 0.1", "caption_dropout: 10"),
    "a size below a tile": ("width: 832, height: 480}", "width: 8, height: 480}"),
    "one beta": ("    betas: [0.9, 0.99]", "    betas: [0.9]"),
    "guidance below one": ("  guidance: 5", "  guidance: 0"),
    # a name that there is not
    "an optimizer that there is not": ("    kind: adamw", "    kind: adam"),
    "a schedule that there is not": ("kind: cosine", "kind: cosin"),
    "a precision that there is not": ("precision: bf16", "precision: bfloat16"),
    "a sampler in capitals": ("sampler: unipc", "sampler: UniPC"),
    "what to do with short clips misspelt": ("short_clips: drop", "short_clips: dropp"),
    "a kind of file that there is not": ("kind: recipe", "kind: receipt"),
    "a version that there is not": ("wan-recipe/v1", "wan-recipe/1"),
    # not YAML
    "a key twice": ("  seed: 42", "  seed: 42\n  seed: 43"),
    "no space behind a colon": ("  seed: 42", "  seed:42"),
    "a bracket that stays open": ("tags: [style]", "tags: [style"),
    "a tab": ("  seed: 42", "\tseed: 42"),
    "a line too far left": ("    alpha: 16", "   alpha: 16"),
    # what only the program knows
    "a layer that there is not": ("flavours/wan2.1-t2v-1.3b", "flavours/wan2.1-t2v-13b"),
    "frames that the codec cuts": ("  frames: 81\n  short", "  frames: 75\n  short"),
    "a warm-up that never ends": ("warmup_steps: 100", "warmup_steps: 4000"),
}  # fmt: skip


def slipped(name: str) -> str:
    """Return the good recipe with one slip."""
    good, typed = SLIPS[name]
    assert GOOD.count(good) == 1, f"{name}: {good!r} must stand there once"
    return GOOD.replace(good, typed)
