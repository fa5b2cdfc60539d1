"""``scalable serve``: models over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_json

HELP = """Serve each MODEL over HTTP: the Open Inference Protocol (V2), plain JSON rows, Arrow streams.

Listens on this machine alone unless told otherwise. SIGTERM finishes what is under way.

\b
Examples:
  scalable serve fraud.model
  scalable serve fraud=models/7.model churn.model --bind 127.0.0.1:9000
  scalable serve fraud.model --unix /run/fraud.sock --token-file token
  scalable serve fraud.model --follow 5 --cert server.pem --key server.key
  scalable serve registry:fraud@production
  scalable serve fraud.model --features features.toml --store store/
"""
ALIAS_SECONDS = 2.0  # between two looks at the aliases of a registry


def command(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="PATH, NAME=PATH, or registry:NAME@ALIAS.")
    ],
    bind: Annotated[
        str, typer.Option("--bind", metavar="HOST:PORT", help="Where to listen.")
    ] = "127.0.0.1:8000",
    unix: Annotated[
        Path | None, typer.Option("--unix", metavar="PATH", help="A Unix socket instead.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="FILE", help="Who has its token may load new versions."),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--cert", metavar="FILE", help="TLS: the certificate chain, PEM.")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", metavar="FILE", help="TLS: its private key.")] = None,
    follow: Annotated[
        float | None,
        typer.Option(
            "--follow",
            metavar="SECONDS",
            min=0.01,
            help="Look at the models' paths this often, and serve what was put there (default: aliases, every 2 s).",
        ),
    ] = None,
    features: Annotated[
        Path | None, typer.Option("--features", metavar="DEF.toml", help="Add stored features to each row.")
    ] = None,
    store: Annotated[
        Path | None, typer.Option("--store", metavar="DIR", help="Where --features are materialized.")
    ] = None,
    waiting: Annotated[int, typer.Option("--queue", min=1, help="Requests at hand at most; then 503.")] = 256,
    body: Annotated[int, typer.Option("--max-body", min=1, help="Bytes of a request.")] = 2**24,
    rows: Annotated[int, typer.Option("--max-rows", min=1, help="Rows of a request.")] = 100_000,
    seconds: Annotated[float, typer.Option("--max-seconds", min=0.001, help="For a body to arrive.")] = 10.0,
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Serve."""
    from scalable.errors import UsageError
    from scalable.registry.address import moves
    from scalable.serve.app import App
    from scalable.serve.follow import Follower
    from scalable.serve.limits import Limits
    from scalable.serve.models import Models
    from scalable.serve.run import check_tls, listen, run

    token = None
    if token_file is not None:
        token = token_file.read_text().strip()
        if not token:
            raise UsageError(f"{token_file} holds no token")
    if (features is None) != (store is None):
        raise UsageError("--features and --store go together: the definitions, and the store that holds them")
    stored = None
    if features is not None and store is not None:
        from scalable.feature_store.online.requests import RequestFeatures

        stored = RequestFeatures(features, store)
    tls = check_tls(certificate, key)
    found = Models(models)
    if follow is None and any(moves(one.path) for one in found.all):
        follow = ALIAS_SECONDS
    follower = None
    if follow is not None:
        follower = Follower(found, follow, lambda line: typer.echo(line, err=True))
    made, place = listen(bind, unix)
    if tls:
        place = place.replace("http://", "https://")
    named = ", ".join(f"{one.name} {one.version}" for one in found.all)
    if not quiet:
        typer.echo(f"serving {named} on {place}")
    write_json(json_file, {"place": place, "models": {one.name: one.version for one in found.all}})
    if follower is not None:
        follower.start()
    try:
        app = App(found, Limits(waiting, body, rows, seconds), token, stored)
        run(app, made, certificate=certificate, key=key)
    finally:
        if follower is not None:
            follower.stop()
