# SPDX-License-Identifier: Apache-2.0
"""A virtual machine: Debian's 6.12 kernel in QEMU, over this machine's root file system, of which the
guest sees everything and changes nothing: what it writes goes to its own memory."""

import ctypes
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
KERNELS = TOP / "build/vm"  # filled by fetch-kernel
TIMED_OUT, DIED = 124, 125  # exit codes beside those of the job
# To mount the host's root; in the order in which they are loaded.
MODULES = ("fs/netfs/netfs", "net/9p/9pnet", "net/9p/9pnet_virtio", "fs/9p/9p",
           "fs/overlayfs/overlay")
# Emulation is slow, and slower on a busy host: no check that a timer ticks in time, no self-tests of
# the kernel's ciphers, no long waits as namespaces come and go.
QUICKLY = "no_timer_check mitigations=off cryptomgr.notests=1 rcupdate.rcu_expedited=1"
MEMORY = "1024M"
# Emulated processors do not always see each other's changes of code in time, which the kernel makes
# as it boots (an "int3" oops). A guest that dies so has judged nothing, and is booted again.
BOOTS = 3
PR_SET_PDEATHSIG = 1


def refusal():
    """Why there can be no virtual machine here, or None."""
    for program, package in (("qemu-system-x86_64", "qemu-system-x86"), ("cpio", "cpio"),
                             ("busybox", "busybox-static")):
        if not shutil.which(program):
            return f"{program} is missing: install {package}"
    return None if kernel() else "no kernel for the guest: run tests/vm/fetch-kernel"


def kernel():
    """The folder of the newest kernel, or None."""
    found = sorted(KERNELS.glob("linux-image-*/lib/modules/*/kernel/net/9p/9pnet.ko"))
    return found[-1].parents[6] if found else None


def has_extra(module):
    """Whether there is a module for the guest that is not of Debian's kernel."""
    return any(kernel().glob(f"lib/modules/*/extra/{module}.ko"))


def job(words, environment):
    """What the guest runs, as a shell script."""
    given = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    return (f"cd {shlex.quote(str(TOP))}\n"
            f"exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=${{TERM:-dumb}} {given} "
            f"{shlex.join(words)}\n")


def initramfs(folder, kernel_folder, script, settings):
    """Makes the file that the kernel unpacks into memory as its first root."""
    root = folder / "initramfs"
    (root / "bin").mkdir(parents=True)
    for name in ("proc", "sys", "dev", "modules"):
        (root / name).mkdir()
    shutil.copy(shutil.which("busybox"), root / "bin")
    shutil.copy(HERE / "init", root / "init")
    (root / "init").chmod(0o755)
    (root / "job").write_text(script)
    (root / "settings").write_text("".join(f"{name}={shlex.quote(str(value))}\n"
                                           for name, value in settings.items()))
    release = next((kernel_folder / "lib/modules").iterdir())
    for module in MODULES:
        shutil.copy(release / "kernel" / f"{module}.ko", root / "modules")
    file = folder / "initramfs.cpio"
    with file.open("wb") as archive:
        names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=root, check=True,
                       input=names.encode(), stdout=archive)
    return file


def qemu(folder, kernel_folder, archive, interactive):
    # No KVM unless asked for: it is seldom there, and slower to fail than to emulate.
    accelerator = os.environ.get("ESPALIER_VM_ACCEL", "tcg,thread=multi")
    ports = ["-device", "virtio-serial-pci",
             "-chardev", f"stdio,id=output,signal={'off' if interactive else 'on'}",
             "-device", "virtconsole,chardev=output" if interactive
             else "virtserialport,name=output,chardev=output",
             "-chardev", f"file,id=status,path={folder / 'status'}",
             "-device", "virtserialport,name=status,chardev=status"]
    return ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-accel", accelerator, "-cpu", "max", "-smp", "2", "-m", MEMORY,
            "-kernel", str(next((kernel_folder / "boot").glob("vmlinuz-*"))), "-initrd", str(archive),
            "-append", f"console=ttyS0 quiet panic=-1 oops=panic {QUICKLY}",
            "-serial", f"file:{folder / 'console'}", "-device", "virtio-rng-pci",
            "-virtfs", "local,path=/,mount_tag=hostroot,security_model=none,multidevs=remap,readonly=on",
            # A card that computes AES-CBC, for those who load its driver, virtio_crypto.
            "-object", "cryptodev-backend-builtin,id=card", "-device", "virtio-crypto-pci,cryptodev=card",
            *ports]


def run(words, environment, build, limit=None, interactive=False):
    """Boots, runs a command in the source tree, and gives its exit code; its output is ours.
    `build`: a build folder whose bin/ and plugins/ the guest gets as /espalier. `limit`: seconds.
    `interactive`: the job has this terminal."""
    kernel_folder = kernel()
    settings = {"modules": kernel_folder / "lib/modules", "build": build,
                "terminal": "/dev/hvc0" if interactive else ""}
    with tempfile.TemporaryDirectory(prefix="espalier-vm-") as name:
        folder = pathlib.Path(name)
        archive = initramfs(folder, kernel_folder, job(words, environment), settings)
        command = qemu(folder, kernel_folder, archive, interactive)
        for _ in range(BOOTS):
            if not boot(command, limit, interactive):
                return complain(folder, f"the guest did not end within {limit} s", TIMED_OUT)
            said = status(folder)
            if said:
                break
            complain(folder, "the guest died before its job began", DIED)
        return int(said[1]) if len(said) > 1 else complain(folder, "the guest ended before its job did", DIED)


def boot(command, limit, interactive):
    """Runs QEMU to its end; gives whether that came within the limit."""
    sys.stdout.flush()
    # A pipe that stays open: at the end of its input QEMU would close the output as well.
    with subprocess.Popen(command, stdin=None if interactive else subprocess.PIPE,
                          preexec_fn=die_with_parent) as machine:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            machine.wait(limit)
            return True
        except subprocess.TimeoutExpired:
            return False
        finally:
            machine.kill()


def status(folder):
    """What the guest has said of its job: that it has begun, and with which code it has ended."""
    file = folder / "status"
    return file.read_text().split() if file.exists() else []


def complain(folder, what, code):
    console = folder / "console"
    said = console.read_text(errors="replace").splitlines() if console.exists() else []
    # A panic says why before its trace, which takes some fifty lines.
    print(f"{what}; the end of its console:", *said[-100:], sep="\n", file=sys.stderr)
    return code


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
