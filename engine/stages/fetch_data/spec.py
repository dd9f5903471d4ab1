"""Bring the clips into the store, where they do not lie on this machine."""

from collections.abc import Iterator

from typing_extensions import TypeIs

from engine.seam import Foresight, Runtime, Spec, Stage, Trouble, View, at, digest_of
from engine.sources.remote import BadUrl, checked
from engine.words.data import (
    DrawnSource,
    FolderSource,
    HubSource,
    ListSource,
    RemoteSource,
    Source,
    TableSource,
)
from engine.words.recipe import Recipe
from engine.words.table import by_path


class Place(Spec):
    """Where the clips of one dataset come from."""

    source: FolderSource | ListSource | TableSource | HubSource | RemoteSource | DrawnSource
    repeats: int


class FetchDataSpec(Spec):
    """Which clips."""

    main: Place = at("data")
    more: dict[str, Place] = at("data.more")

    @property
    def sources(self) -> tuple[HubSource | RemoteSource | DrawnSource, ...]:
        """The places that are not on this machine, each once."""
        found = [place.source for place in by_path(self.main, self.more).values() if place.repeats]
        return tuple({folder_of(source): source for source in found if is_fetched(source)}.values())


class FetchDataRuntime(Runtime):
    """Nothing but the clips matters."""


def is_fetched(source: Source) -> TypeIs[HubSource | RemoteSource | DrawnSource]:
    """Whether clips must be brought to this machine."""
    return isinstance(source, HubSource | RemoteSource | DrawnSource)


def folder_of(source: Source) -> str:
    """Return the name of the folder in the store that holds the clips of a place."""
    return digest_of(source.model_dump(mode="json"))[:16]


def _applies(recipe: Recipe) -> bool:
    datasets = by_path(recipe.data, recipe.data.more).values()
    return any(is_fetched(dataset.source) and dataset.repeats for dataset in datasets)


def _foresee(view: View) -> Foresight:
    sources = view.spec.sources
    troubles = tuple(_addresses(view.spec))
    drawn = [source.clips for source in sources if isinstance(source, DrawnSource)]
    if len(drawn) < len(sources):
        return Foresight(troubles=troubles)
    return Foresight(amount=sum(drawn), unit="clips")


def _addresses(spec: FetchDataSpec) -> Iterator[Trouble]:
    """An address that will not be followed is said before anything else is fetched."""
    for path, place in by_path(spec.main, spec.more).items():
        if isinstance(place.source, RemoteSource) and place.repeats:
            try:
                checked(place.source.url)
            except BadUrl as error:
                yield Trouble("RCP4112", f"{path}.source.url", f"{error.url} {error.reason}")


def _network(spec: FetchDataSpec) -> bool:
    return any(
        isinstance(source, HubSource)
        or (isinstance(source, RemoteSource) and not source.url.startswith("file:"))
        for source in spec.sources
    )


FETCH_DATA = Stage(
    name="fetch_data",
    version=2,
    spec=FetchDataSpec,
    runtime=FetchDataRuntime,
    needs=(),
    entry="engine.stages.fetch_data.run:fetch_data",
    does="bring the clips into the store",
    applies=_applies,
    foresee=_foresee,
    network=_network,
)
