"""`kubectl signet status|drain|undrain|rebalance|version`."""

import sys
from importlib.metadata import version as version_of
from typing import Annotated

import typer
from rich.console import Console

from kubectl_signet.api import Api, Refused
from kubectl_signet.shown import tree

app = typer.Typer(
    name="kubectl signet",
    help="Looks at a MessagingCluster, and asks things of it. It writes through the API only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False)

Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="The context's if not said.")
]
Context = Annotated[str | None, typer.Option("--context", help="Of the kubeconfig.")]
Cluster = Annotated[str | None, typer.Argument(help="Needed where there are several.")]
Pod = Annotated[str, typer.Argument(help="Its name, as in chat-gateway-2.")]


@app.command()
def status(cluster: Cluster = None, namespace: Namespace = None, context: Context = None) -> None:
    """A tree of tiers and pods: connections, shards, drains, and what is wrong."""
    api = Api(context, namespace)
    found = api.cluster(cluster)
    console.print(tree(found, api.pools(found["metadata"]["name"])))


@app.command()
def drain(pod: Pod, namespace: Namespace = None, context: Context = None) -> None:
    """Let a pod give away all that is on it, and keep it empty until `undrain`."""
    Api(context, namespace).drain(pod, on=True)
    console.print(f"{pod} is asked to drain; it stays empty until: kubectl signet undrain {pod}")


@app.command()
def undrain(pod: Pod, namespace: Namespace = None, context: Context = None) -> None:
    """Let a pod take work again."""
    Api(context, namespace).drain(pod, on=False)
    console.print(f"{pod} is asked to take work again")


@app.command()
def rebalance(
    cluster: Cluster = None, namespace: Namespace = None, context: Context = None
) -> None:
    """Let users and shards that are not where the rings put them move there now."""
    api = Api(context, namespace)
    name = api.cluster(cluster)["metadata"]["name"]
    api.rebalance(name)
    console.print(f"{name} is asked to rebalance; look at: kubectl signet status {name}")


@app.command()
def version(namespace: Namespace = None, context: Context = None) -> None:
    """Of this plugin, and of each cluster of the namespace."""
    console.print(f"kubectl-signet {version_of('signet')}")
    for cluster in Api(context, namespace).clusters():
        runs = (cluster.get("status") or {}).get("version", "nothing yet")
        asked = cluster["spec"].get("version")
        console.print(f"{cluster['metadata']['name']}: asked {asked}, looked at for {runs}")


def main() -> None:
    """The program `kubectl-signet`, which kubectl finds by its name."""
    try:
        app()
    except Refused as refused:
        print(refused, file=sys.stderr)  # noqa: T201 - this is a command
        sys.exit(1)
