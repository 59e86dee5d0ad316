"""The kernel that a step runs in: this very interpreter, whatever kernels are installed on the machine."""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec


class Kernel(AsyncKernelManager):
    """Kernel manager for papermill and nbclient (``kernel_manager_class=Kernel``).

    Sockets are files, so that kernels that start together cannot race for ports; they lie in a folder of their own
    with a short name, since a socket's path may have some hundred characters only. The user's IPython profile is left
    out: a startup file of theirs must not change a result.
    """

    current: "Kernel | None" = None  # the one of this process: a step has one notebook, and that one kernel

    def __init__(self, **options):
        self.folder = tempfile.mkdtemp(prefix="xiqa-")
        options["connection_file"] = os.path.join(self.folder, "k.json")
        super().__init__(transport="ipc", **options)
        self.executable: str | None = None
        self._client = None
        Kernel.current = self

    @property
    def kernel_spec(self) -> KernelSpec:
        """The command of this interpreter's kernel."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3 (ipykernel)", language="python", name="python3")

    async def _async_start_kernel(self, **options) -> None:
        options["env"] = {**(options.get("env") or os.environ), "IPYTHONDIR": self.folder}
        await super()._async_start_kernel(**options)

    start_kernel = _async_start_kernel

    def client(self, **options):
        """The client, which is remembered so that the kernel can be asked who it is."""
        self._client = super().client(**options)
        return self._client

    async def ask(self, **_) -> None:
        """Ask the kernel which interpreter it is (nbclient's ``on_notebook_start``)."""
        question = {"executable": "__import__('sys').executable"}
        asked = self._client.execute("", silent=True, user_expressions=question)
        while True:
            reply = await asyncio.wait_for(self._client.get_shell_msg(), timeout=60)
            if reply["parent_header"].get("msg_id") == asked:
                answer = reply["content"].get("user_expressions", {}).get("executable", {})
                self.executable = answer.get("data", {}).get("text/plain", "").strip("'\"") or None
                return

    def signal(self, number: int) -> bool:
        """Send a signal to the kernel and to what it started; whether there is a kernel to send it to."""
        process = getattr(self.provisioner, "process", None)
        if process is None or process.returncode is not None:  # its number may be another's by now
            return False
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        return True

    def remove(self) -> None:
        """End the kernel, if it lives, and remove its sockets."""
        self.signal(signal.SIGKILL)
        shutil.rmtree(Path(self.folder), ignore_errors=True)


def ask(**options):
    """nbclient's ``on_notebook_start`` hook: see ``Kernel.ask``."""
    return Kernel.current.ask(**options)
