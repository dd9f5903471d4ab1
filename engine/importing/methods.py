"""Conversions of what may be added to training: averages, routes of tokens, alignment, rollouts, evaluation."""

from typing import Any

from engine.importing.conversions import Around, Noted, NotHere, Nothing, number, on, shown, truth, whole

_TEACHERS = {
    "dinov2_vits14": "facebook/dinov2-small",
    "dinov2_vitb14": "facebook/dinov2-base",
    "dinov2_vitl14": "facebook/dinov2-large",
    "dinov2_vitg14": "facebook/dinov2-giant",
}
_STRATEGIES = {"uniform": "uniform", "biased_early": "near", "biased_late": "far"}
_TIMESTEPS = 1000
_MOST_STEPS = 50  # of a rollout
_ROUTES = "selection_ratio is the share that is DROPPED: 0.1 drops a tenth and keeps 90 %, whatever the quickstart says of 50 %."


def simpletuner_ema(value: Any, _: str, around: Around) -> Noted:
    """SimpleTuner's average of the weights."""
    if not truth(value):
        raise Nothing("switched off, as here")
    every = whole(around.said("ema_update_interval"))
    counts = " Its warm-up counts steps, the one here updates." if every > 1 else ""
    return Noted(
        {"kind": "decay", "decay": number(around.said("ema_decay")), "every": every, "warmup": True},
        f"SimpleTuner averages in bf16, which loses most updates; here it is float32.{counts}",
    )


def simpletuner_ema_of(value: Any, switch: str, around: Around) -> Noted:
    """The same, seen from its numbers."""
    number(value)
    return simpletuner_ema(around.said(switch), "", around)


def ai_toolkit_ema(value: Any, decay: str, around: Around) -> dict[str, Any]:
    """The average of ai-toolkit, without a warm-up."""
    if not truth(value):
        raise Nothing("switched off, as here")
    return {"kind": "decay", "decay": number(around.said(decay)), "every": 1, "warmup": False}


def ai_toolkit_ema_of(value: Any, switch: str, around: Around) -> dict[str, Any]:
    """The same, seen from its decay."""
    number(value)
    return ai_toolkit_ema(around.said(switch), "train.ema_config.ema_decay", around)


def averaged(value: Any, *_: Any) -> str:
    """What ai-toolkit saves where it keeps an average: that."""
    if not truth(value):
        raise Nothing("switched off, as here")
    return "ema"


def routes(value: Any, *_: Any) -> Noted:
    """SimpleTuner's routes of TREAD, where they stand in its config."""
    said = value.get("routes") if isinstance(value, dict) else None
    if not isinstance(said, list):
        raise NotHere(
            "its routes are not here: write `train.tread: {kind: routes, routes: [{first: 2, last: -2, drop: 0.1}]}`"
        )
    found = [route for route in map(_route, said) if route["drop"] > 0]
    if not found:
        raise Nothing("no route drops a token")
    return Noted({"kind": "routes", "routes": found}, _ROUTES)


def _route(said: Any) -> dict[str, Any]:
    names = {"first": "start_layer_idx", "last": "end_layer_idx"}
    if not isinstance(said, dict) or not {*names.values(), "selection_ratio"} <= said.keys():
        raise NotHere("a route has a start_layer_idx, an end_layer_idx and a selection_ratio")
    return {name: whole(said[key]) for name, key in names.items()} | {"drop": number(said["selection_ratio"])}


def crepa(value: Any, _: str, around: Around) -> Noted:
    """SimpleTuner's alignment with DINOv2."""
    if not truth(value):
        raise Nothing("switched off, as here")
    teacher, falls = str(around.said("crepa_encoder")), around.said("crepa_scheduler")
    if teacher not in _TEACHERS:
        raise NotHere(f"the teacher is a DINOv2 here, such as dinov2_vitg14, and not {shown(teacher)}")
    if falls not in ("constant", "linear", "cosine"):
        raise NotHere(f"its weight is constant, or falls as linear or cosine, not as {shown(falls)}")
    return Noted(
        {
            "kind": "dinov2",
            "encoder": {"kind": "hub", "repository": _TEACHERS[teacher], "revision": "main"},
            "image_size": whole(around.said("crepa_encoder_image_size")),
            "block": whole(around.said("crepa_block_index")),
            "weight": number(around.said("crepa_lambda")),
            "falls": falls,
            "distance": whole(around.said("crepa_adjacent_distance")),
            "neighbours": "all" if on(around.said("crepa_cumulative_neighbors")) else "nearest",
            "decay": number(around.said("crepa_adjacent_tau")),
        },
        "SimpleTuner asks DINOv2 for one token a frame, so that its patches are never aligned; here they are. A branch can move: "
        "pin the commit of the teacher to share the recipe.",
    )


def crepa_of(_value: Any, switch: str, around: Around) -> Noted:
    """The same, seen from its settings."""
    return crepa(around.said(switch), "", around)


def rollout(value: Any, _: str, around: Around) -> Noted:
    """SimpleTuner's scheduled sampling, which goes a timestep at a time."""
    most, ramp = whole(value), whole(around.said("scheduled_sampling_ramp_steps"))
    last = number(around.said("scheduled_sampling_prob_end" if ramp else "scheduled_sampling_probability"))
    if most <= 0 or last <= 0:
        raise Nothing(
            "switched off, as here" if most <= 0 else "with a probability of 0 no sample is rolled out"
        )
    first = (
        number(around.said("scheduled_sampling_prob_start"))
        or number(around.said("scheduled_sampling_probability"))
        if ramp
        else last
    )
    strategy = str(around.said("scheduled_sampling_strategy"))
    if strategy not in _STRATEGIES:
        raise NotHere(
            f"distances are drawn as uniform, biased_early or biased_late, not as {shown(strategy)}"
        )
    reflex = around.said("scheduled_sampling_reflexflow")
    added = (
        ""
        if reflex is not None and not on(reflex)
        else " ReflexFlow, which it adds to the loss, is not here."
    )
    return Noted(
        {
            "kind": "euler", "probability": last, "start_probability": first, "ramp_steps": ramp, "reach": most / _TIMESTEPS,
            "strategy": _STRATEGIES[strategy], "steps": min(_MOST_STEPS, max(1, most // 2)), "target": "drawn",
        },
        f"SimpleTuner takes a step for each timestep, up to {most}; here all rollouts have as many, its mean.{added}",
    )  # fmt: skip


def rollout_of(_value: Any, most: str, around: Around) -> Noted:
    """The same, seen from its other settings."""
    return rollout(around.said(most), "", around)


def evaluation(value: Any, _: str, around: Around) -> dict[str, Any]:
    """SimpleTuner's loss on held-out clips, if it has any."""
    every = whole(value)
    if every <= 0 or on(around.said("eval_loss_disable")):
        raise Nothing("switched off, as here")
    if "eval" not in around.each("dataset_type"):
        raise Nothing("no dataset has the type `eval`, so there is nothing to measure the loss on")
    samples, levels = whole(around.said("num_eval_images")), whole(around.said("eval_timesteps"))
    return {"kind": "held_out", "every": every, "samples": samples, "levels": levels}


def evaluation_of(value: Any, every: str, around: Around) -> dict[str, Any]:
    """The same, seen from its numbers."""
    whole(value)
    return evaluation(around.said(every) or 0, "", around)
