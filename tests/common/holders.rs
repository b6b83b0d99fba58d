//! Processes that hold a pod's network namespace by every lock that they can get.

use super::Namespace;

/// Prints `ready` when it has everything that it can have, and keeps that.
pub const HOLD: &str = r#"
import fcntl, os, socket, struct, sys, time
kept = []
for name in ["/proc/self/ns/net", "/proc/thread-self/ns/net"]:
    file = open(name)
    # A lock belongs to the opened file, and an exclusive one to one of them.
    try: fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError: pass
    kept.append(file)
# What a run locks (src/kernel/lock.rs), and every group beside it.
bound = 0
for group in [0x4d49, 0, 1, 0x494d]:
    log = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
    log.bind((0, 0))
    log.send(struct.pack("=IHHIIBB", 28, 0x401, 5, 1, 0, 0, 0) + struct.pack(">H", group) + struct.pack("=HHI", 5, 1, 1))
    bound += struct.unpack("=i", log.recv(8192)[16:20])[0] == 0
    kept.append(log)
for name in ["mesh-intercept", "mesh-intercept-lock"]:
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind("\0" + name)
    kept.append(abstract)
if bound != int(sys.argv[1]): sys.exit(f"{bound} groups are bound")
print("ready", flush=True)
time.sleep(1000)
"#;

/// A user of the pod without any privilege, who can bind no group.
pub const USER: [&str; 9] = [
    "setpriv",
    "--reuid=1000",
    "--regid=1000",
    "--clear-groups",
    "--pdeathsig=KILL",
    "/usr/bin/python3",
    "-c",
    HOLD,
    "0",
];

/// Starts such a user.
pub fn start_user(pod: &mut Namespace) {
    pod.start(&USER, "");
}

/// Starts a process with CAP_NET_ADMIN, which can bind all groups.
pub fn start_root(pod: &mut Namespace) {
    pod.start(&["/usr/bin/python3", "-c", HOLD, "4"], "");
}
