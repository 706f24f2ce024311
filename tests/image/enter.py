#!/usr/bin/env python3
"""enter.py [--no-new-privileges] ROOT USER COMMAND…: what a container runtime does, without one: COMMAND in ROOT as USER:USER, with no
capability but NET_BIND_SERVICE to be had. --no-new-privileges: as allowPrivilegeEscalation: false."""
import ctypes
import os
import sys

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, NET_BIND_SERVICE = 24, 38, 10
arguments = sys.argv[1:]
locked = arguments[0] == "--no-new-privileges"
root, user, *command = arguments[locked:]
libc = ctypes.CDLL(None, use_errno=True)
with open("/proc/sys/kernel/cap_last_cap") as f:
    last = int(f.read())
os.chroot(root)
os.chdir("/")
for capability in range(last + 1):
    if capability != NET_BIND_SERVICE and libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"capability {capability} cannot be dropped")
os.setgroups([])
os.setresgid(int(user), int(user), int(user))
os.setresuid(int(user), int(user), int(user))
if locked and libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
    raise OSError(ctypes.get_errno(), "no_new_privs")
os.execve(command[0], command, {"PATH": "/usr/local/bin", **{k: v for k, v in os.environ.items() if k.startswith("SLUICE_")}})
