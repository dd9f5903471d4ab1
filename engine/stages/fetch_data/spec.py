"""Bring the clips into the store, where they are not a folder of the user."""

from engine.seam import Foresight, Runtime, Spec, Stage, View, at
from engine.words.data import DrawnSource, FolderSource, HubSource
from engine.words.recipe import Recipe


class FetchDataSpec(Spec):
    """Which clips."""

    source: HubSource | DrawnSource = at("data.source")


class FetchDataRuntime(Runtime):
    """Nothing but the clips matters."""


def _fetched(recipe: Recipe) -> bool:
    return not isinstance(recipe.data.source, FolderSource)


def _foresee(view: View) -> Foresight:
    source = view.spec.source
    return Foresight(amount=source.clips, unit="clips") if isinstance(source, DrawnSource) else Foresight()


FETCH_DATA = Stage(
    name="fetch_data",
    version=1,
    spec=FetchDataSpec,
    runtime=FetchDataRuntime,
    needs=(),
    entry="engine.stages.fetch_data.run:fetch_data",
    does="bring the clips into the store",
    applies=_fetched,
    foresee=_foresee,
    network=lambda spec: isinstance(spec.source, HubSource),
)
