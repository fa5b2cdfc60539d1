"""Meshes of several workers in threads of one process."""

from concurrent.futures import ThreadPoolExecutor

from scalable.boosting.comm.handshake import listen
from scalable.boosting.comm.mesh import Mesh

SECRET = b"s" * 32


def run_workers(n, body, *, secrets=None, silence=5.0, credentials=None):
    """Run `body(mesh)` on n workers in threads; returns results or exceptions in worker order."""
    listeners = [listen("127.0.0.1") for _ in range(n)]
    peers = [("127.0.0.1", listener.getsockname()[1]) for listener in listeners]

    def one(worker):
        mesh = None
        try:
            secret = SECRET if secrets is None else secrets[worker]
            proof = credentials and credentials[worker]
            mesh = Mesh(worker, peers, secret, listeners[worker], silence=silence, credentials=proof)
            return body(mesh)
        except Exception as error:
            return error
        finally:
            listeners[worker].close()
            if mesh is not None:
                mesh.close()

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(one, range(n)))
