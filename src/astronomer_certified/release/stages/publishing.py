"""The wheels of a release -> published files of the local index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from astronomer_certified.effects import processes
from astronomer_certified.patches.series import Carried
from astronomer_certified.project import revisions
from astronomer_certified.release.run import Run, wheel_step_of
from astronomer_certified.steps.receipts import Made
from astronomer_certified.steps.runner import Done, Step

NAME = "publish"


def step(run: Run, carried: Carried, own_steps: Sequence[str]) -> Step:
    """Every wheel of the release is on the index of the workspace. `own_steps` made those of its own."""
    made = (*own_steps, "wheelhouse", "sources")

    def inputs(done: Done) -> Mapping[str, str]:
        # CERTIFIED_INDEX_DIR may name another index, which has none of these files yet.
        return {"index": str(run.workspace.store), **{name: done[name].fingerprint for name in made}}

    def do(done: Done) -> Made:
        from astronomer_certified.index.auth.credentials import ensure_credentials
        from astronomer_certified.index.http.server import Server
        from astronomer_certified.index.publish import publish

        # Before the first upload: what is published under a revision can never be made of other things.
        revisions.check(run.manifest, carried.every())
        # How the description of a repaired distribution renders is its author's business, as in the wheelhouse.
        repairs = {wheel_step_of(item) for item in run.manifest.repairs}
        own = [output.path for name in own_steps if name not in repairs for output in done[name].outputs]
        foreign = [output.path for name in (*sorted(repairs), "wheelhouse", "sources") for output in done[name].outputs]
        credentials = ensure_credentials(run.workspace.htpasswd, run.workspace.upload_secret)

        def twine(argv: Sequence[str], *, env: Mapping[str, str]) -> processes.Completed:
            return processes.run(argv, env=env, check=False)

        with Server(run.workspace.store, credentials=run.workspace.htpasswd, fallback=False) as server:
            published = publish(own, server.url, credentials, run=twine)
            published += publish(foreign, server.url, credentials, run=twine, foreign=True)
        new = sum(file.uploaded for file in published)
        stored = [run.workspace.store / file.filename for file in published]
        return Made(outputs=stored, note=f"{new} new files, {len(published) - new} there already")

    return run.step(NAME, inputs, do, needs=made)
