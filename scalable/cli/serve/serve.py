"""``scalable serve``: models over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scalable.cli.options import Debug, Json, Quiet
from scalable.cli.output import write_json

HELP = """Serve each MODEL over HTTP: the Open Inference Protocol (V2), plain JSON rows, Arrow streams.

Listens on this machine alone unless told otherwise. SIGTERM finishes what is under way.

\b
Examples:
  scalable serve forest.model
  scalable serve fraud=models/7.model churn.model --bind 127.0.0.1:9000
  scalable serve forest.model --unix /run/fraud.sock --token-file token
  scalable serve forest.model --workers 4
  scalable serve forest.model --follow 5 --cert server.pem --key server.key
  scalable serve registry:fraud@production --monitor
  scalable serve forest.model --features features.toml --store store/
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
        typer.Option(
            "--token-file", metavar="FILE", help="Clients that send its token may load new versions."
        ),
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
    watch: Annotated[
        bool,
        typer.Option("--monitor", help="Hold answered rows against the models' references, in /metrics."),
    ] = False,
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=256, metavar="N", help="Processes that answer.")
    ] = 1,
    waiting: Annotated[
        int,
        typer.Option(
            "--queue", metavar="N", min=1, help="Requests at hand at most, of each worker; then 503."
        ),
    ] = 256,
    body: Annotated[
        int, typer.Option("--max-body", metavar="BYTES", min=1, help="Bytes of a request, decompressed.")
    ] = 2**24,
    rows: Annotated[int, typer.Option("--max-rows", metavar="N", min=1, help="Rows of a request.")] = 100_000,
    seconds: Annotated[
        float,
        typer.Option("--max-seconds", metavar="S", min=0.001, help="For a head, and for a body, to arrive."),
    ] = 10.0,
    missing_keys: Annotated[
        str,
        typer.Option(
            "--missing-keys",
            metavar="refuse|missing",
            help="A column that a row lacks: the row is refused, or the value missing.",
        ),
    ] = "refuse",
    json_file: Json = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Serve."""
    from dataclasses import replace

    from scalable.errors import UsageError
    from scalable.registry.address import moves
    from scalable.serve.limits import Limits
    from scalable.serve.models import Models
    from scalable.serve.run import check_installed, check_tls, listen
    from scalable.serve.worker import Job

    check_installed()
    if (features is None) != (store is None):
        raise UsageError("--features and --store go together: the definitions, and the store that holds them")

    def name(file: Path | None) -> str | None:
        return None if file is None else str(file)

    limits: dict[str, Any] = {
        "waiting": waiting,
        "body_bytes": body,
        "rows": rows,
        "seconds": seconds,
        "missing_keys": missing_keys,
    }
    job = Job(
        models,
        limits,
        name(token_file),
        name(certificate),
        name(key),
        name(features),
        name(store),
        follow,
        watch,
        workers,
    )
    Limits(**limits)
    job.token()
    tls = check_tls(certificate, key)
    found = Models(models)
    if follow is None and any(moves(one.path) for one in found.all):
        job = replace(job, follow=ALIAS_SECONDS)
    made, place = listen(bind, unix)
    if tls:
        place = place.replace("http://", "https://")
    named = ", ".join(f"{one.name} {one.version}" for one in found.all)

    def started() -> None:
        if not quiet:
            by = "" if workers == 1 else f", {workers} workers"
            typer.echo(f"serving {named} on {place}{by}")
        versions = {one.name: one.version for one in found.all}
        write_json(json_file, {"place": place, "models": versions, "workers": workers})

    if workers == 1:
        job.serve(job.app(found), made, started=started)
        return
    from scalable.serve.workers import Workers

    Workers(workers, job.document(), made, lambda line: typer.echo(line, err=True)).run(started)
